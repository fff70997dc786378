// A client on rmcp that takes commands: one JSON object per line of the standard input, one line of answer each.
//
//   rmcp-client serve|auto
//
// serve: the handshake of 2025, which serve() does. auto: server/discover first, the handshake for those who do not know it.
use std::{collections::HashMap, error::Error, rc::Rc, time::Duration};

use rmcp::{
    ServiceExt,
    model::{CallToolRequestParams, ProtocolVersion},
    service::{ClientInitializeError, ClientLifecycleMode, ClientServiceExt, RoleClient, RunningService, ServiceError},
    transport::{
        StreamableHttpClientTransport, auth::InMemoryCredentialStore, streamable_http_client::StreamableHttpClientTransportConfig,
    },
};
use serde_json::{Value, json};
use tokio::io::{AsyncBufReadExt, BufReader};

mod login;
use login::{Login, Registered};

const PATIENCE: Duration = Duration::from_secs(20); // for a command: calls of rmcp have no time-out by default

struct Client {
    auto: bool,
    stores: HashMap<String, InMemoryCredentialStore>,
    logins: HashMap<(String, String), Rc<Login>>, // by store and URL: what was discovered stays known
    session: Option<(RunningService<RoleClient, ()>, Rc<Login>)>,
}

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), Box<dyn Error>> {
    let auto = match std::env::args().nth(1).as_deref() {
        Some("serve") => false,
        Some("auto") => true,
        _ => return Err("usage: rmcp-client serve|auto".into()),
    };
    let mut client = Client { auto, stores: HashMap::new(), logins: HashMap::new(), session: None };
    let mut lines = BufReader::new(tokio::io::stdin()).lines();
    while let Some(line) = lines.next_line().await? {
        let command: Value = serde_json::from_str(&line)?;
        let answer = match tokio::time::timeout(PATIENCE, client.run(&command)).await {
            Ok(Ok(answer)) => answer,
            Ok(Err(error)) => json!({"ok": false, "error": short(&error)}),
            Err(_) => json!({"ok": false, "error": format!("timed out: {}", text(&command, "do"))}),
        };
        println!("{answer}");
    }
    client.leave().await;
    Ok(())
}

impl Client {
    async fn run(&mut self, command: &Value) -> Result<Value, String> {
        match text(command, "do") {
            "connect" => {
                self.leave().await;
                self.connect(command).await
            }
            "list" => {
                let (session, login) = self.session.as_ref().ok_or("not connected")?;
                let tools = authorized(login, || session.list_all_tools()).await?;
                Ok(json!({"ok": true, "tools": tools.iter().map(|tool| &tool.name).collect::<Vec<_>>()}))
            }
            "call" => {
                let (session, login) = self.session.as_ref().ok_or("not connected")?;
                let mut params = CallToolRequestParams::new(text(command, "tool").to_owned());
                params.arguments = command["arguments"].as_object().cloned();
                let result = authorized(login, || session.call_tool(params.clone())).await?;
                let said = result.content.first().and_then(|content| content.as_text()).map_or("", |text| &text.text);
                if result.is_error == Some(true) {
                    return Err(said.to_owned());
                }
                Ok(json!({"ok": true, "text": said}))
            }
            "close" => {
                self.leave().await;
                Ok(json!({"ok": true}))
            }
            _ => Ok(json!({"ok": false, "unsupported": true, "error": "unknown command"})),
        }
    }

    async fn connect(&mut self, command: &Value) -> Result<Value, String> {
        let url = text(command, "url");
        let login = self.login(url, command["store"].as_str().unwrap_or(url), &command["client"]).await?;
        let session = match self.serve(url, &login).await {
            Err(error) => {
                let challenge = error.auth_challenge().ok_or_else(|| tell(&error))?;
                login.authorize(challenge).await?;
                self.serve(url, &login).await.map_err(|e| tell(&e))?
            }
            Ok(session) => session,
        };
        let version = session.peer_info().map_or(String::new(), |info| info.protocol_version.to_string());
        self.session = Some((session, login));
        Ok(json!({"ok": true, "version": version}))
    }

    async fn login(&mut self, url: &str, store: &str, client: &Value) -> Result<Rc<Login>, String> {
        let name = (store.to_owned(), url.to_owned());
        if let Some(login) = self.logins.get(&name) {
            return Ok(login.clone());
        }
        let credentials = self.stores.entry(store.to_owned()).or_default().clone();
        let registered = client["client_id"]
            .as_str()
            .map(|id| Registered { id: id.to_owned(), secret: client["client_secret"].as_str().map(str::to_owned) });
        let login = Rc::new(Login::new(url, credentials, registered).await.map_err(|e| tell(&e))?);
        self.logins.insert(name, login.clone());
        Ok(login)
    }

    async fn serve(&self, url: &str, login: &Login) -> Result<RunningService<RoleClient, ()>, ClientInitializeError> {
        let config = StreamableHttpClientTransportConfig::with_uri(url);
        let transport = StreamableHttpClientTransport::with_client(login.http.clone(), config);
        if !self.auto {
            return ().serve(transport).await;
        }
        let preferred_versions = vec![ProtocolVersion::V_2026_07_28];
        ().serve_with_lifecycle(transport, ClientLifecycleMode::Auto { preferred_versions, legacy_version: None }).await
    }

    // leave ends the session, if there is one; a server that does not answer is not waited for.
    async fn leave(&mut self) {
        if let Some((mut session, _)) = self.session.take() {
            let _ = session.close_with_timeout(Duration::from_secs(2)).await;
        }
    }
}

// authorized makes a request, and repeats it once where the server asks for an authorization that it then gets.
async fn authorized<T, F: Future<Output = Result<T, ServiceError>>>(login: &Login, request: impl Fn() -> F) -> Result<T, String> {
    match request().await {
        Err(error) => {
            let challenge = error.auth_challenge().ok_or_else(|| tell(&error))?;
            login.authorize(challenge).await?;
            request().await.map_err(|e| tell(&e))
        }
        Ok(result) => Ok(result),
    }
}

fn text<'a>(command: &'a Value, key: &str) -> &'a str {
    command[key].as_str().unwrap_or_default()
}

// tell is an error with its causes, where they say more. Of a transport's error it is the cause alone: rmcp puts the whole type of the
// transport before it, and a failed fallback does not say why.
fn tell(error: &(dyn Error + 'static)) -> String {
    match error.downcast_ref() {
        Some(ClientInitializeError::TransportError { error, context }) => return format!("{context}: {}", tell(&*error.error)),
        Some(ClientInitializeError::LegacyFallbackFailed { fallback, .. }) => return format!("{error}: {}", tell(fallback)),
        _ => {}
    }
    if let Some(ServiceError::TransportSend(error)) = error.downcast_ref() {
        return tell(&*error.error);
    }
    let mut said = error.to_string();
    let mut cause = error.source();
    while let Some(error) = cause {
        let more = error.to_string();
        if !said.contains(&more) {
            said = format!("{said}: {more}");
        }
        cause = error.source();
    }
    said
}

// short is one line of at most 300 bytes.
fn short(error: &str) -> String {
    let mut line = error.split_whitespace().collect::<Vec<_>>().join(" ");
    line.truncate(line.floor_char_boundary(300));
    line
}
