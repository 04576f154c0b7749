//! The SDK's sessions, with one thing more: a request knows on which stream it
//! is answered, so that a tool can close that stream and have its answer
//! fetched later, with `Last-Event-ID`.

use std::time::Duration;

use futures_util::Stream;
use futures_util::stream::unfold;
use rmcp::model::{ClientJsonRpcMessage, GetExtensions as _, ServerJsonRpcMessage};
use rmcp::transport::streamable_http_server::session::ServerSseMessage;
use rmcp::transport::streamable_http_server::session::local::{
    LocalSessionHandle, LocalSessionManager, LocalSessionManagerError,
};
use rmcp::transport::streamable_http_server::{SessionId, SessionManager};

/// How long a client is to wait before it comes back, when its stream was
/// closed.
const RETRY: Duration = Duration::from_millis(200);

/// The stream of a request.
#[derive(Clone)]
pub(crate) struct AnswerStream {
    session: LocalSessionHandle,
    number: u64,
}

impl AnswerStream {
    /// Closes it. What is sent from now on waits to be fetched.
    pub(crate) async fn close(&self) {
        // A client that has left before has closed it too.
        let _ = self.session.close_sse_stream(self.number, Some(RETRY)).await;
    }
}

/// All sessions.
#[derive(Debug, Default)]
pub(crate) struct Sessions(LocalSessionManager);

impl SessionManager for Sessions {
    type Error = LocalSessionManagerError;
    type Transport = <LocalSessionManager as SessionManager>::Transport;

    async fn create_session(&self) -> Result<(SessionId, Self::Transport), Self::Error> {
        self.0.create_session().await
    }

    async fn initialize_session(
        &self,
        id: &SessionId,
        message: ClientJsonRpcMessage,
    ) -> Result<ServerJsonRpcMessage, Self::Error> {
        self.0.initialize_session(id, message).await
    }

    async fn has_session(&self, id: &SessionId) -> Result<bool, Self::Error> {
        self.0.has_session(id).await
    }

    async fn close_session(&self, id: &SessionId) -> Result<(), Self::Error> {
        self.0.close_session(id).await
    }

    async fn create_stream(
        &self,
        id: &SessionId,
        mut message: ClientJsonRpcMessage,
    ) -> Result<impl Stream<Item = ServerSseMessage> + Send + Sync + 'static, Self::Error> {
        let session = self.0.sessions.read().await.get(id).cloned();
        let session =
            session.ok_or_else(|| LocalSessionManagerError::SessionNotFound(id.clone()))?;
        let receiver = session.establish_request_wise_channel().await?;
        let stream = receiver.http_request_id;
        if let (ClientJsonRpcMessage::Request(request), Some(number)) = (&mut message, stream) {
            let own = AnswerStream { session: session.clone(), number };
            request.request.extensions_mut().insert(own);
        }
        session.push_message(message, stream).await?;
        Ok(unfold(receiver.inner, async |mut inner| Some((inner.recv().await?, inner))))
    }

    async fn accept_message(
        &self,
        id: &SessionId,
        message: ClientJsonRpcMessage,
    ) -> Result<(), Self::Error> {
        self.0.accept_message(id, message).await
    }

    async fn create_standalone_stream(
        &self,
        id: &SessionId,
    ) -> Result<impl Stream<Item = ServerSseMessage> + Send + Sync + 'static, Self::Error> {
        self.0.create_standalone_stream(id).await
    }

    async fn resume(
        &self,
        id: &SessionId,
        last_event_id: String,
    ) -> Result<impl Stream<Item = ServerSseMessage> + Send + Sync + 'static, Self::Error> {
        self.0.resume(id, last_event_id).await
    }
}
