# The production image: one static binary, the public certificate authorities, no shell, not root.
#
#   docker build --build-arg VERSION=v1.2.3 -t mcp-authz .
#   docker run -v "$PWD/mcp-authz.yaml:/etc/mcp-authz/config.yaml:ro" mcp-authz serve --config /etc/mcp-authz/config.yaml
#
# In a container, listen.grpc and listen.metadata must name an address that the gateway can reach: the defaults are loopback.

FROM golang:1.26 AS build
ARG VERSION=dev
WORKDIR /src
COPY . .
# One step, so that the modules may come from the network or from a mounted cache.
RUN CGO_ENABLED=0 go build -trimpath -ldflags "-s -w -X main.version=${VERSION}" -o /out/mcp-authz ./cmd/mcp-authz

FROM scratch
ARG VERSION=dev
LABEL org.opencontainers.image.title="mcp-authz" \
      org.opencontainers.image.description="OAuth 2.1 in front of MCP servers, for Envoy, Istio and the Gateway API" \
      org.opencontainers.image.source="https://github.com/mcp-authz/mcp-authz" \
      org.opencontainers.image.licenses="Apache-2.0" \
      org.opencontainers.image.version="${VERSION}"
COPY --from=build /etc/ssl/certs/ca-certificates.crt /etc/ssl/certs/ca-certificates.crt
COPY --from=build /out/mcp-authz /mcp-authz
USER 65532:65532
EXPOSE 9001 8080 9090
ENTRYPOINT ["/mcp-authz"]
