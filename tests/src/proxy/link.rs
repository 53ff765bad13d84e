//! One connection through the proxy: two pumps and what they are told.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::time::Duration;

use socket2::SockRef;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::net::tcp::{OwnedReadHalf, OwnedWriteHalf};
use tokio::sync::{mpsc, watch};
use tokio::time::Instant;

use super::{Control, Direction};

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum State {
    Pass,
    /// Bytes stay where they are, and pass later.
    Hold,
    /// Bytes are thrown away.
    Swallow,
    /// Both ends are reset.
    Cut,
}

#[derive(Debug)]
pub(super) struct Link {
    state: watch::Sender<State>,
    /// Bytes from the client that were read and not passed on.
    held: AtomicUsize,
    /// The client has closed its end, which the server may not know.
    abandoned: AtomicBool,
}

impl Link {
    pub fn new(state: State) -> Self {
        Self { state: watch::Sender::new(state), held: AtomicUsize::new(0), abandoned: AtomicBool::new(false) }
    }

    pub fn subscribe(&self) -> watch::Receiver<State> {
        self.state.subscribe()
    }

    pub fn state(&self) -> State {
        *self.state.borrow()
    }

    /// What was cut stays so. Whether anything changed.
    pub fn set(&self, state: State) -> bool {
        self.state.send_if_modified(|present| {
            let changes = *present != State::Cut && *present != state;
            if changes {
                *present = state;
            }
            changes
        })
    }

    pub fn held(&self) -> usize {
        self.held.load(Ordering::Acquire)
    }

    pub fn is_abandoned(&self) -> bool {
        self.abandoned.load(Ordering::Acquire)
    }

    /// Nobody listens to it any more.
    pub fn is_over(&self) -> bool {
        self.state.receiver_count() == 0
    }
}

/// Makes the end of a connection a reset.
pub(super) fn reset(stream: &TcpStream) {
    let _ = SockRef::from(stream).set_linger(Some(Duration::ZERO));
}

pub(super) fn start(
    client: TcpStream,
    server: TcpStream,
    state: watch::Receiver<State>,
    link: &Arc<Link>,
    control: &Arc<Control>,
) {
    let _ = (client.set_nodelay(true), server.set_nodelay(true));
    let (from_client, to_client) = client.into_split();
    let (from_server, to_server) = server.into_split();
    for (from, to, direction) in
        [(from_client, to_server, Direction::ToServer), (from_server, to_client, Direction::ToClient)]
    {
        let (sender, receiver) = mpsc::unbounded_channel();
        let taking = take(from, sender, state.clone(), direction, Arc::clone(link), Arc::clone(control));
        tokio::spawn(taking);
        tokio::spawn(give(to, receiver, state.clone(), direction, Arc::clone(link), Arc::clone(control)));
    }
}

/// Bytes, and when they may pass.
type Chunk = (Vec<u8>, Instant);

/// Reads all that comes, so that a client or server which sends is never held up by the proxy.
async fn take(
    mut from: OwnedReadHalf,
    chunks: mpsc::UnboundedSender<Chunk>,
    mut state: watch::Receiver<State>,
    direction: Direction,
    link: Arc<Link>,
    control: Arc<Control>,
) {
    let mut buffer = vec![0; 16 * 1024];
    loop {
        let read = tokio::select! {
            biased;
            _ = state.wait_for(|state| *state == State::Cut) => {
                reset(from.as_ref());
                return;
            }
            read = from.read(&mut buffer) => read,
        };
        let Ok(count @ 1..) = read else {
            if direction == Direction::ToServer {
                link.abandoned.store(true, Ordering::Release);
            }
            return;
        };
        if direction == Direction::ToServer {
            link.held.fetch_add(count, Ordering::AcqRel);
        }
        let due = Instant::now() + *control.delay.borrow();
        if chunks.send((buffer[..count].to_vec(), due)).is_err() {
            return;
        }
    }
}

async fn give(
    mut to: OwnedWriteHalf,
    mut chunks: mpsc::UnboundedReceiver<Chunk>,
    mut state: watch::Receiver<State>,
    direction: Direction,
    link: Arc<Link>,
    control: Arc<Control>,
) {
    let mut cut = state.clone();
    let giving = async {
        while let Some((bytes, due)) = chunks.recv().await {
            tokio::time::sleep_until(due).await;
            let Ok(State::Pass | State::Swallow) = state.wait_for(|state| *state != State::Hold).await.map(|now| *now)
            else {
                return;
            };
            if link.state() == State::Swallow {
                continue;
            }
            let burnt = control.burn(direction, bytes.len());
            if to.write_all(&bytes[..burnt.unwrap_or(bytes.len())]).await.is_err() {
                return;
            }
            if direction == Direction::ToServer {
                link.held.fetch_sub(bytes.len(), Ordering::AcqRel);
            }
            if burnt.is_some() {
                control.cut(&link);
                std::future::pending::<()>().await;
            }
        }
        // The end is passed on like bytes: a black hole swallows it too.
        let _ = state.wait_for(|state| *state != State::Hold).await;
        if link.state() == State::Swallow {
            std::future::pending::<()>().await;
        }
        let _ = to.shutdown().await;
    };
    let is_cut = tokio::select! {
        biased;
        _ = cut.wait_for(|state| *state == State::Cut) => true,
        () = giving => false,
    };
    if is_cut {
        reset(to.as_ref());
    }
    // Otherwise the end would be an orderly one.
    to.forget();
}
