//! Requests about tasks, and answers that tell of tasks: clients get other ids
//! than the backends gave.

use std::sync::Arc;

use bytes::Bytes;

use super::exchange::{Ask, Reply};
use super::flow::{Flow, Piece};
use super::{Upstream, exchange};
use crate::audit::Recorded;
use crate::error::{Reason, Refusal};
use crate::session::Tasks;
use crate::translate::tasks::outward;

impl Upstream {
    /// Asks a backend about a task of the caller's, or to do something with
    /// it. Takes nothing that was not written down.
    ///
    /// # Errors
    /// As [`forward`](Self::forward).
    pub(crate) async fn tend(
        self: &Arc<Self>,
        client: &awc::Client,
        recorded: &Recorded<Ask<'_>>,
    ) -> Result<Reply, Refusal> {
        self.exchange(client, recorded.as_ref().clone()).await
    }
}

impl Reply {
    /// The same answer with ids that are of use to these tasks' owner only.
    ///
    /// # Errors
    /// [`Reason::BackendError`] when it is ambiguous which ids it tells.
    pub(crate) fn binding(self, tasks: Tasks) -> Result<Self, Refusal> {
        match self {
            Self::Whole(mut whole) => {
                if let Some(message) = marked(&tasks, &whole.message)? {
                    whole = exchange::Whole { message, ..whole };
                }
                Ok(Self::Whole(whole))
            }
            Self::Stream(mut flow) => {
                flow.tasks = Some(tasks);
                Ok(Self::Stream(flow))
            }
        }
    }
}

impl Flow {
    /// A piece with the ids of tasks that the client gets.
    pub(super) fn marked(&self, mut piece: Piece) -> Result<Piece, Refusal> {
        let (Piece::Event(event) | Piece::Answer { event, .. }) = &mut piece;
        if let (Some(tasks), Some(data)) = (&self.tasks, &event.data)
            && let Some(message) = marked(tasks, data)?
        {
            event.data = Some(message);
        }
        Ok(piece)
    }
}

fn marked(tasks: &Tasks, message: &Bytes) -> Result<Option<Bytes>, Refusal> {
    outward(message, |id| tasks.outer(id)).map_err(|fault| {
        Refusal::new(
            Reason::BackendError,
            format!("the backend tells of a task unclearly: {fault}"),
        )
    })
}
