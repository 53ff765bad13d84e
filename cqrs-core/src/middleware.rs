//! What commands and queries pass on their way to their handlers: ordinary layers of the `tower` crate.
//!
//! A layer that is given to a [`CommandBus`](crate::CommandBus) or a [`QueryBus`](crate::QueryBus) wraps a
//! `tower::Service<Request, Response = Response>`. `tower`'s own layers fit, those here, and those that you write: the
//! [`Request`] says what is asked, of which aggregate, by whom, and gives out the message itself when asked for its type.
//!
//! The layers of a bus wrap all of its handlers, those of one message ([`layer_for`](crate::CommandBusBuilder::layer_for)) come
//! after them. The first one that is added is the outermost. An order that makes sense:
//!
//! 1. [`trace`]: sees every outcome, and how long it took altogether.
//! 2. [`validate`] and [`authorise`]: refuse before anything is loaded. (What a message says of
//!    [itself](crate::Command::validate) is checked in any case, last.)
//! 3. [`concurrency_limit`]: so many at once; the others wait here.
//! 4. [`retry`]: under the same command id, so that nothing is done twice.
//! 5. [`timeout`]: of each attempt. Outside of `retry` it is that of all attempts together.
//!
//! A layer's inner service is always ready: waiting is a part of the call, so that a timeout covers the waiting within it. Layers
//! that look at readiness (`tower::load_shed`) are put together with those that they look at, by `tower::ServiceBuilder`, and
//! added as one.
//!
//! # What a layer must not do
//! Fail after the handler has answered: the caller of a command is then told that its outcome is
//! [unknown](crate::ExecuteError::Unknown).

mod answer;
mod attempts;
mod bus;
mod handler_error;
mod hooks;
mod outcome;
mod refusal;
mod request;
mod response;
mod retry;
mod trace;

pub use bus::BoxHandler;
pub use handler_error::HandlerError;
pub use hooks::{authorise, concurrency_limit, timeout, validate};
pub use outcome::Outcome;
pub use refusal::Refusal;
pub use request::{Kind, Request};
pub use response::Response;
pub use retry::{RetryTransient, retry};
pub use tower::BoxError;
pub use trace::{Trace, TraceLayer, trace};

pub(crate) use answer::{Route, Rules, answer, answered};
pub(crate) use attempts::Attempts;
pub(crate) use bus::{Bus, Layered};
pub(crate) use request::short_name;
