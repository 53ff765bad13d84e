//! Each fault, seen from both ends.

use tokio::io::{AsyncReadExt, AsyncWriteExt};

use super::*;
use crate::wait::until;

/// A client and the server's end of its connection.
async fn connected() -> (Proxy, TcpListener, TcpStream, TcpStream) {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let proxy = Proxy::before(listener.local_addr().unwrap()).await;
    let client = TcpStream::connect(proxy.address).await.unwrap();
    let (server, _) = listener.accept().await.unwrap();
    (proxy, listener, client, server)
}

async fn carries(from: &mut TcpStream, to: &mut TcpStream, bytes: &[u8]) {
    from.write_all(bytes).await.unwrap();
    let mut arrived = vec![0; bytes.len()];
    to.read_exact(&mut arrived).await.unwrap();
    assert_eq!(arrived, bytes);
}

/// Reads to the end.
async fn rest(of: &mut TcpStream) -> (Vec<u8>, std::io::Result<usize>) {
    let mut bytes = Vec::new();
    let end = of.read_to_end(&mut bytes).await;
    (bytes, end)
}

#[tokio::test]
async fn bytes_and_the_end_pass_in_both_directions() {
    let (_proxy, _listener, mut client, mut server) = connected().await;
    carries(&mut client, &mut server, b"question").await;
    carries(&mut server, &mut client, b"answer").await;
    client.shutdown().await.unwrap();
    assert_eq!(rest(&mut server).await.0, b"");
    carries(&mut server, &mut client, b"last").await;
}

#[tokio::test]
async fn a_cut_resets_both_ends() {
    let (proxy, _listener, mut client, mut server) = connected().await;
    carries(&mut client, &mut server, b"question").await;
    proxy.cut();
    for end in [&mut client, &mut server] {
        assert_eq!(rest(end).await.1.unwrap_err().kind(), std::io::ErrorKind::ConnectionReset);
    }
    assert_eq!(proxy.cuts(), 1);
}

#[tokio::test]
async fn a_cut_comes_after_the_given_number_of_bytes() {
    let (proxy, _listener, mut client, mut server) = connected().await;
    proxy.cut_after(Direction::ToServer, 5);
    client.write_all(b"abc").await.unwrap();
    let mut arrived = [0; 3];
    server.read_exact(&mut arrived).await.unwrap();
    carries(&mut server, &mut client, b"the other direction does not count").await;
    assert!(proxy.is_armed());
    client.write_all(b"defg").await.unwrap();
    let (bytes, end) = rest(&mut server).await;
    assert!(b"de".starts_with(&bytes), "a reset may overtake bytes, and no more than five pass: {bytes:?}");
    assert!(end.is_err());
    assert!(!proxy.is_armed());
}

#[tokio::test]
async fn a_black_hole_takes_everything_and_gives_nothing() {
    let (proxy, listener, mut client, mut server) = connected().await;
    proxy.black_hole();
    client.write_all(b"lost").await.unwrap();
    let mut second = TcpStream::connect(proxy.address).await.unwrap();
    second.write_all(b"lost too").await.unwrap();
    let (mut second_server, _) = listener.accept().await.unwrap();
    assert_eq!(server.try_read(&mut [0; 8]).unwrap_err().kind(), std::io::ErrorKind::WouldBlock);
    proxy.pass();
    assert!(rest(&mut server).await.0.is_empty());
    assert!(rest(&mut second_server).await.0.is_empty());
    assert!(rest(&mut client).await.1.is_err(), "a connection that lacks bytes does not go on");
}

#[tokio::test]
async fn what_is_held_passes_later_and_new_connections_pass_meanwhile() {
    let (proxy, listener, mut client, mut server) = connected().await;
    carries(&mut client, &mut server, b"before").await;
    let held = proxy.hold();
    client.write_all(b"late").await.unwrap();
    drop(client);
    until("the proxy has taken the bytes and the end", || async {
        (held.bytes() == 4 && held.abandoned() == 1).then_some(())
    })
    .await;
    let mut second = TcpStream::connect(proxy.address).await.unwrap();
    let (mut second_server, _) = listener.accept().await.unwrap();
    carries(&mut second, &mut second_server, b"now").await;
    assert_eq!(server.try_read(&mut [0; 8]).unwrap_err().kind(), std::io::ErrorKind::WouldBlock);
    held.release();
    assert_eq!(rest(&mut server).await.0, b"late");
}

#[tokio::test]
async fn what_is_delayed_passes_that_much_later() {
    let (proxy, _listener, mut client, mut server) = connected().await;
    let by = Duration::from_millis(50);
    proxy.delay(by);
    let start = std::time::Instant::now();
    carries(&mut client, &mut server, b"question").await;
    assert!(start.elapsed() >= by);
}

#[tokio::test]
async fn a_refused_client_is_reset_until_it_may_pass_again() {
    let (proxy, listener, mut client, _server) = connected().await;
    proxy.refuse();
    assert!(rest(&mut client).await.1.is_err());
    let mut refused = TcpStream::connect(proxy.address).await.unwrap();
    assert!(rest(&mut refused).await.1.is_err());
    proxy.pass();
    let mut passing = TcpStream::connect(proxy.address).await.unwrap();
    let (mut server, _) = listener.accept().await.unwrap();
    carries(&mut passing, &mut server, b"again").await;
}
