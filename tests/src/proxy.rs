//! A way to a server on which everything can happen that a network does to connections.
#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

use std::net::SocketAddr;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use tokio::net::{TcpListener, TcpStream};
use tokio::sync::watch;
use tokio::task::JoinHandle;

mod link;

use link::{Link, State};

/// Which way bytes go.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Direction {
    /// From the client to the server.
    ToServer,
    /// From the server to the client.
    ToClient,
}

/// What becomes of connections that are made from now on.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
enum Welcome {
    #[default]
    Pass,
    Swallow,
    Refuse,
}

/// Passes bytes on between clients and a server, as long as it may. Everything ends when it is dropped.
#[derive(Debug)]
pub struct Proxy {
    address: SocketAddr,
    control: Arc<Control>,
    accepting: JoinHandle<()>,
}

/// What a test tells the connections.
#[derive(Debug)]
struct Control {
    server: SocketAddr,
    welcome: Mutex<Welcome>,
    delay: watch::Sender<Duration>,
    links: Mutex<Vec<Arc<Link>>>,
    /// After so many more bytes in this direction, the connection that carries the last one is cut.
    fuse: Mutex<Option<(Direction, usize)>>,
    cuts: AtomicUsize,
}

impl Proxy {
    /// A proxy before `server`, which passes everything on.
    ///
    /// # Panics
    /// When there is no free port.
    pub async fn before(server: SocketAddr) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let control = Arc::new(Control {
            server,
            welcome: Mutex::default(),
            delay: watch::Sender::new(Duration::ZERO),
            links: Mutex::default(),
            fuse: Mutex::default(),
            cuts: AtomicUsize::new(0),
        });
        let accepting = tokio::spawn(accept(listener, Arc::clone(&control)));
        Self { address, control, accepting }
    }

    /// A proxy before the service at an address.
    ///
    /// # Panics
    /// When the address has no host.
    pub async fn before_service(url: &str) -> Self {
        let server = url::Url::parse(url).unwrap();
        let host = (server.host_str().unwrap(), server.port().unwrap_or(5432));
        Self::before(tokio::net::lookup_host(host).await.unwrap().next().unwrap()).await
    }

    /// The same address, by way of the proxy.
    ///
    /// # Panics
    /// When the address is none.
    #[must_use]
    pub fn url(&self, of: &str) -> String {
        let mut url = url::Url::parse(of).unwrap();
        url.set_host(Some("127.0.0.1")).unwrap();
        url.set_port(Some(self.address.port())).unwrap();
        url.into()
    }

    /// Passes everything on from now on; connections whose bytes were swallowed are cut, as they lack some.
    pub fn pass(&self) {
        self.welcome(Welcome::Pass);
        self.control.delay.send_replace(Duration::ZERO);
        for link in self.links() {
            if link.state() == State::Swallow {
                link.set(State::Cut);
            }
        }
    }

    /// Passes everything on so much later, in both directions.
    pub fn delay(&self, by: Duration) {
        self.control.delay.send_replace(by);
    }

    /// Accepts connections and bytes, and passes nothing on.
    pub fn black_hole(&self) {
        self.welcome(Welcome::Swallow);
        for link in self.links() {
            link.set(State::Swallow);
        }
    }

    /// Resets all connections, and those that are made from now on.
    pub fn refuse(&self) {
        self.welcome(Welcome::Refuse);
        self.cut();
    }

    /// Resets all present connections.
    pub fn cut(&self) {
        for link in self.links() {
            self.control.cut(&link);
        }
    }

    /// Resets the connection that carries so many more bytes in this direction, after it has passed them on: once.
    pub fn cut_after(&self, direction: Direction, bytes: usize) {
        *self.control.fuse.lock().unwrap() = Some((direction, bytes));
    }

    /// Whether a cut is yet to come.
    #[must_use]
    pub fn is_armed(&self) -> bool {
        self.control.fuse.lock().unwrap().is_some()
    }

    /// How many connections were reset.
    #[must_use]
    pub fn cuts(&self) -> usize {
        self.control.cuts.load(Ordering::Relaxed)
    }

    /// Keeps back what comes over the present connections; new ones pass.
    pub fn hold(&self) -> Held {
        let links = self.links();
        for link in &links {
            link.set(State::Hold);
        }
        Held { links }
    }

    /// How many connections are open.
    #[must_use]
    pub fn connections(&self) -> usize {
        self.links().len()
    }

    fn welcome(&self, welcome: Welcome) {
        *self.control.welcome.lock().unwrap() = welcome;
    }

    fn links(&self) -> Vec<Arc<Link>> {
        let mut links = self.control.links.lock().unwrap();
        links.retain(|link| !link.is_over());
        links.clone()
    }
}

impl Drop for Proxy {
    fn drop(&mut self) {
        self.accepting.abort();
        self.cut();
    }
}

/// Connections that are kept back.
#[derive(Debug)]
#[must_use]
pub struct Held {
    links: Vec<Arc<Link>>,
}

impl Held {
    /// How many bytes are kept back on the way to the server.
    #[must_use]
    pub fn bytes(&self) -> usize {
        self.links.iter().map(|link| link.held()).sum()
    }

    /// How many connections the client has given up meanwhile.
    #[must_use]
    pub fn abandoned(&self) -> usize {
        self.links.iter().filter(|link| link.is_abandoned()).count()
    }

    /// Passes on what was kept back, and all that follows.
    pub fn release(&self) {
        for link in &self.links {
            link.set(State::Pass);
        }
    }
}

impl Control {
    /// A link for a new connection, unless it is refused. It is known at once, so that a test finds it.
    fn welcome(&self) -> Option<(Arc<Link>, watch::Receiver<State>)> {
        let mut links = self.links.lock().unwrap();
        let state = match *self.welcome.lock().unwrap() {
            Welcome::Pass => State::Pass,
            Welcome::Swallow => State::Swallow,
            Welcome::Refuse => return None,
        };
        let link = Arc::new(Link::new(state));
        let receiver = link.subscribe();
        links.push(Arc::clone(&link));
        Some((link, receiver))
    }

    fn cut(&self, link: &Link) {
        if link.set(State::Cut) {
            self.cuts.fetch_add(1, Ordering::Relaxed);
        }
    }

    /// How many of these bytes may pass before the connection is cut; all, unless the fuse burns down.
    fn burn(&self, direction: Direction, bytes: usize) -> Option<usize> {
        let mut fuse = self.fuse.lock().unwrap();
        match &mut *fuse {
            Some((burning, left)) if *burning == direction => {
                if *left < bytes {
                    let passed = *left;
                    *fuse = None;
                    return Some(passed);
                }
                *left -= bytes;
                None
            }
            _ => None,
        }
    }
}

async fn accept(listener: TcpListener, control: Arc<Control>) {
    while let Ok((client, _)) = listener.accept().await {
        let Some((link, state)) = control.welcome() else {
            link::reset(&client);
            continue;
        };
        match TcpStream::connect(control.server).await {
            Ok(server) => link::start(client, server, state, &link, &control),
            Err(_) => link::reset(&client),
        }
    }
}

#[cfg(test)]
mod tests;
