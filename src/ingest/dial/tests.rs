//! The way out against real servers on loopback: proxies here, TLS and its certificates below.

pub(crate) mod authority;
mod names;
mod tls;

use std::net::SocketAddr;

use futures_util::StreamExt;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpListener;

use super::*;
use crate::telemetry::Telemetry;

fn dialer(proxies: Matcher) -> Dialer {
    Dialer {
        proxies: Arc::new(proxies),
        ..Dialer::new(None, None, 1 << 20, Telemetry::new(0).tls_errors()).unwrap()
    }
}

/// Serves one websocket and says a word on it.
async fn serve(listener: TcpListener) {
    let (stream, _) = listener.accept().await.unwrap();
    let mut socket = tokio_tungstenite::accept_async(stream).await.unwrap();
    futures_util::SinkExt::send(&mut socket, tungstenite::Message::text("hello")).await.unwrap();
}

/// A proxy for one connection, which it leads to this address whatever was asked; gives the request's head.
async fn tunnel(proxy: TcpListener, server: SocketAddr) -> String {
    let (mut client, _) = proxy.accept().await.unwrap();
    let mut head = Vec::new();
    while !head.ends_with(b"\r\n\r\n") {
        head.push(client.read_u8().await.unwrap());
    }
    client.write_all(b"HTTP/1.1 200 OK\r\n\r\n").await.unwrap();
    let mut upstream = TcpStream::connect(server).await.unwrap();
    let _ = tokio::io::copy_bidirectional(&mut client, &mut upstream).await;
    String::from_utf8(head).unwrap()
}

#[tokio::test]
async fn a_websocket_goes_through_the_proxy_by_connect() {
    let (server, proxy) =
        (TcpListener::bind("127.0.0.1:0").await.unwrap(), TcpListener::bind("127.0.0.1:0").await.unwrap());
    let (server_address, proxy_address) = (server.local_addr().unwrap(), proxy.local_addr().unwrap());
    let tunnel = tokio::spawn(tunnel(proxy, server_address));
    let serving = tokio::spawn(serve(server));
    let proxies = Matcher::builder().all(format!("http://user:pass@{proxy_address}")).build();
    let url = Url::parse("ws://axp.invalid:9999/ws").unwrap();
    let mut socket = dialer(proxies).websocket(&url).await.unwrap();
    assert_eq!(socket.next().await.unwrap().unwrap(), tungstenite::Message::text("hello"));
    drop(socket);
    serving.await.unwrap();
    let head = tunnel.await.unwrap().to_ascii_lowercase();
    assert!(head.starts_with("connect axp.invalid:9999 http/1.1\r\n"), "{head}");
    assert!(head.contains("proxy-authorization: basic dxnlcjpwyxnz"), "{head}");
}

#[tokio::test]
async fn nobody_is_asked_to_compress_an_answer() {
    let server = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = Url::parse(&format!("http://{}/", server.local_addr().unwrap())).unwrap();
    let client = dialer(Matcher::builder().build()).http(&url).unwrap();
    let asked = tokio::spawn(client.get(url).send());
    let (mut stream, _) = server.accept().await.unwrap();
    let mut head = Vec::new();
    while !head.ends_with(b"\r\n\r\n") {
        head.push(stream.read_u8().await.unwrap());
    }
    // Packed, a small answer could become one without end.
    let head = String::from_utf8(head).unwrap().to_ascii_lowercase();
    assert!(!head.contains("accept-encoding"), "{head}");
    asked.abort();
}

#[test]
fn loopback_and_what_no_proxy_names_are_reached_directly() {
    let proxies = Matcher::builder().all("http://proxy.invalid").no("direct.invalid").build();
    let dialer = dialer(proxies);
    for (host, proxied) in [
        ("axp.invalid", true),
        ("direct.invalid", false),
        ("sub.direct.invalid", false),
        ("127.0.0.1", false),
        ("localhost", false),
        ("[::1]", false),
    ] {
        let (url, uri) = (format!("wss://{host}/"), format!("https://{host}/"));
        let proxy = dialer.proxy(&url.parse().unwrap(), &uri.parse().unwrap());
        assert_eq!(proxy.is_some(), proxied, "{host}");
    }
}

#[tokio::test]
async fn only_http_proxies_are_used() {
    let proxies = Matcher::builder().all("socks5://127.0.0.1:1").build();
    let url = Url::parse("wss://axp.invalid/ws").unwrap();
    assert!(matches!(dialer(proxies).websocket(&url).await, Err(Error::Proxy)));
}

#[tokio::test]
async fn a_websocket_gives_up_what_stays_unacknowledged() {
    let server = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = Url::parse(&format!("ws://{}/ws", server.local_addr().unwrap())).unwrap();
    let serving = tokio::spawn(serve(server));
    let socket = dialer(Matcher::builder().build()).websocket(&url).await.unwrap();
    let MaybeTlsStream::Plain(tcp) = socket.get_ref() else { panic!("loopback needs no TLS") };
    let timeout = socket2::SockRef::from(tcp).tcp_user_timeout().unwrap();
    assert_eq!(timeout, Some(UNACKNOWLEDGED_MAX));
    serving.await.unwrap();
}
