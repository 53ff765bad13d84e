//! A way to the server that can be blocked: what a network may do to a connection.

use std::io::{Read, Write};
use std::net::{Shutdown, SocketAddr, TcpListener, TcpStream};
use std::sync::{Arc, Condvar, Mutex};
use std::thread;

/// Passes bytes on to the server, as long as it may.
pub struct Proxy {
    address: SocketAddr,
    ways: Arc<Mutex<Ways>>,
}

#[derive(Default)]
struct Ways {
    all: Vec<Way>,
    closed: bool,
}

struct Way {
    client: TcpStream,
    server: TcpStream,
    gate: Arc<Gate>,
}

#[derive(Default)]
struct Gate {
    shut: Mutex<bool>,
    opened: Condvar,
}

impl Proxy {
    pub fn to(url: &str) -> Self {
        let server = url.trim_start_matches("redis://").trim_end_matches('/').to_owned();
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let proxy = Self { address: listener.local_addr().unwrap(), ways: Arc::default() };
        let ways = Arc::clone(&proxy.ways);
        thread::spawn(move || {
            for client in listener.incoming().map_while(Result::ok) {
                let mut ways = ways.lock().unwrap();
                if ways.closed {
                    return;
                }
                let server = TcpStream::connect(&server).unwrap();
                let gate = Arc::new(Gate::default());
                pass(client.try_clone().unwrap(), server.try_clone().unwrap(), Arc::clone(&gate));
                pass(server.try_clone().unwrap(), client.try_clone().unwrap(), Arc::clone(&gate));
                ways.all.push(Way { client, server, gate });
            }
        });
        proxy
    }

    pub fn url(&self) -> String {
        format!("redis://{}/", self.address)
    }

    /// How many connections were made.
    pub fn connections(&self) -> usize {
        self.ways.lock().unwrap().all.len()
    }

    /// How the server knows the newest connection.
    pub fn newest(&self) -> SocketAddr {
        self.ways.lock().unwrap().all.last().unwrap().server.local_addr().unwrap()
    }

    /// Present connections stay open, but nothing passes any more.
    pub fn freeze(&self) {
        for way in &self.ways.lock().unwrap().all {
            *way.gate.shut.lock().unwrap() = true;
        }
    }
}

impl Drop for Proxy {
    fn drop(&mut self) {
        let mut ways = self.ways.lock().unwrap();
        ways.closed = true;
        for way in ways.all.drain(..) {
            let _ = (way.client.shutdown(Shutdown::Both), way.server.shutdown(Shutdown::Both));
            *way.gate.shut.lock().unwrap() = false;
            way.gate.opened.notify_all();
        }
        // Wakes the listener, which finds out that it is over.
        let _ = TcpStream::connect(self.address);
    }
}

fn pass(mut from: TcpStream, mut to: TcpStream, gate: Arc<Gate>) {
    thread::spawn(move || {
        let mut bytes = [0; 16 * 1024];
        while let Ok(count @ 1..) = from.read(&mut bytes) {
            drop(gate.opened.wait_while(gate.shut.lock().unwrap(), |shut| *shut).unwrap());
            if to.write_all(&bytes[..count]).is_err() {
                break;
            }
        }
        let _ = to.shutdown(Shutdown::Both);
    });
}
