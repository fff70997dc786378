// The authorization of a client, as an application on rmcp does it: what the server asks for by a challenge, and nothing before.
use std::collections::HashMap;

use reqwest::Url;
use rmcp::transport::auth::{
    AuthClient, AuthError, AuthorizationCallback, AuthorizationManager, AuthorizationRequest, CredentialStore, InMemoryCredentialStore,
    OAuthClientConfig, OAuthState, WWWAuthenticateParams,
};

// Nothing listens there: the code is taken from the redirect itself.
const REDIRECT: &str = "http://127.0.0.1:8765/callback";

// A client that was registered beforehand.
pub struct Registered {
    pub id: String,
    pub secret: Option<String>,
}

// Login is how the connections to one URL are authorized.
pub struct Login {
    url: Url,
    store: InMemoryCredentialStore,
    registered: Option<Registered>,
    // The transport's own: what changes in its manager holds for the requests of an open session, too.
    pub http: AuthClient<reqwest::Client>,
}

impl Login {
    // new takes up the tokens of the store, if there are any, as an application does that was restarted: it discovers anew.
    pub async fn new(url: &str, store: InMemoryCredentialStore, registered: Option<Registered>) -> Result<Self, AuthError> {
        let url: Url = url.parse()?;
        let mut manager = stored(&url, &store).await?;
        if manager.initialize_from_store().await?
            && let Some(credentials) = store.load().await?
        {
            // The store has the client's id alone: its redirect URI and its secret are the application's to remember.
            let mut client = OAuthClientConfig::new(credentials.client_id, REDIRECT);
            client.client_secret = registered.as_ref().and_then(|r| r.secret.clone());
            manager.configure_client(client)?;
        }
        Ok(Self { url, store, registered, http: AuthClient::new(reqwest::Client::new(), manager) })
    }

    // authorize does what a challenge asks for: more scopes for the user who is logged in, or else a login.
    pub async fn authorize(&self, challenge: &str) -> Result<(), String> {
        let asked = WWWAuthenticateParams::parse(challenge, &self.url);
        let done =
            if asked.is_insufficient_scope() { self.step_up(&asked.scope.unwrap_or_default()).await } else { self.log_in(challenge).await };
        done.map_err(|e| crate::tell(&*e))
    }

    async fn log_in(&self, challenge: &str) -> Result<(), Box<dyn std::error::Error>> {
        let mut request = AuthorizationRequest::new(REDIRECT).with_challenge(challenge);
        if let Some(client) = &self.registered {
            request = request.with_preregistered_client(&client.id);
            if let Some(secret) = &client.secret {
                request = request.with_client_secret(secret);
            }
        }
        let mut state = OAuthState::Unauthorized(stored(&self.url, &self.store).await?);
        state.start_authorization(request).await?;
        let callback = visit(&state.get_authorization_url().await?).await?;
        state.handle_callback_url(&callback).await?;
        let manager = state.into_authorization_manager().ok_or("no authorization")?;
        *self.http.auth_manager.lock().await = manager;
        Ok(())
    }

    async fn step_up(&self, scope: &str) -> Result<(), Box<dyn std::error::Error>> {
        let manager = &self.http.auth_manager;
        let page = manager.lock().await.request_scope_upgrade(scope).await?;
        let callback = AuthorizationCallback::from_redirect_url(&visit(&page).await?)?;
        let manager = manager.lock().await;
        manager.exchange_code_for_token_with_issuer(&callback.code, &callback.csrf_token, callback.issuer.as_deref()).await?;
        Ok(())
    }
}

async fn stored(url: &Url, store: &InMemoryCredentialStore) -> Result<AuthorizationManager, AuthError> {
    let mut manager = AuthorizationManager::new(url.clone()).await?;
    manager.set_credential_store(store.clone()); // the clone has the same content
    Ok(manager)
}

// visit is the user's browser: it returns where the authorization server sent it at last. rmcp would only miss the code if that tells an
// error.
async fn visit(page: &str) -> Result<String, Box<dyn std::error::Error>> {
    let browser = Url::parse_with_params(&std::env::var("BROWSER")?, [("visit", page)])?;
    let answer = reqwest::get(browser).await?;
    let (status, text) = (answer.status(), answer.text().await?);
    if status.as_u16() != 200 {
        return Err(format!("the login failed: {text}").into());
    }
    let told: HashMap<_, _> = Url::parse(&text)?.query_pairs().into_owned().collect();
    if let Some(error) = told.get("error") {
        return Err(format!("the login failed: {error}: {}", told.get("error_description").map_or("", String::as_str)).into());
    }
    Ok(text)
}
