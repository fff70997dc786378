package extauthz

import (
	"context"
	"fmt"
	"log/slog"

	"google.golang.org/grpc/grpclog"
)

// LogTo sends what the gRPC library says to log, for the whole process. Its notes on single connections are of no use to
// operators and can be caused by anybody, so everything below an error is logged at debug level.
func LogTo(log *slog.Logger) { grpclog.SetLoggerV2(logger{log}) }

type logger struct{ log *slog.Logger }

func (l logger) debug(text string) { l.log.Debug("grpc", "text", text) }

func (l logger) Info(args ...any)               { l.debug(fmt.Sprint(args...)) }
func (l logger) Infoln(args ...any)             { l.debug(fmt.Sprint(args...)) }
func (l logger) Infof(f string, args ...any)    { l.debug(fmt.Sprintf(f, args...)) }
func (l logger) Warning(args ...any)            { l.debug(fmt.Sprint(args...)) }
func (l logger) Warningln(args ...any)          { l.debug(fmt.Sprint(args...)) }
func (l logger) Warningf(f string, args ...any) { l.debug(fmt.Sprintf(f, args...)) }
func (l logger) Error(args ...any)              { l.log.Error("grpc", "text", fmt.Sprint(args...)) }
func (l logger) Errorln(args ...any)            { l.Error(args...) }
func (l logger) Errorf(f string, args ...any)   { l.log.Error("grpc", "text", fmt.Sprintf(f, args...)) }
func (l logger) Fatal(args ...any)              { l.Error(args...) }
func (l logger) Fatalln(args ...any)            { l.Error(args...) }
func (l logger) Fatalf(f string, args ...any)   { l.Errorf(f, args...) }
func (l logger) V(level int) bool {
	return level == 0 && l.log.Enabled(context.Background(), slog.LevelDebug)
}
