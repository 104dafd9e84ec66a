//! Names that have several addresses, dead ones, other ones than before, or none.

use std::collections::VecDeque;
use std::future::{Ready, ready};
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use std::sync::Mutex;
use std::task::{Context, Poll};
use std::time::Instant;
use std::{io, vec};

use hyper_util::client::legacy::connect::dns::Name;
use tokio::net::TcpSocket;

use super::*;

const V4: IpAddr = IpAddr::V4(Ipv4Addr::LOCALHOST);
const V6: IpAddr = IpAddr::V6(Ipv6Addr::LOCALHOST);

/// What a name is resolved to, time after time; in the end to nothing.
#[derive(Clone)]
struct Answers(Arc<Mutex<VecDeque<Vec<IpAddr>>>>);

impl Answers {
    fn new<const N: usize>(answers: [&[IpAddr]; N]) -> Self {
        Self(Arc::new(Mutex::new(answers.map(<[_]>::to_vec).into())))
    }
}

impl Service<Name> for Answers {
    type Response = vec::IntoIter<SocketAddr>;
    type Error = io::Error;
    type Future = Ready<io::Result<Self::Response>>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, name: Name) -> Self::Future {
        assert_eq!(name.as_str(), "axp.invalid");
        let addresses = self.0.lock().unwrap().pop_front().unwrap_or_default();
        let none = || io::Error::other("no such name");
        let addresses: Vec<_> = addresses.into_iter().map(|address| SocketAddr::new(address, 0)).collect();
        ready(if addresses.is_empty() { Err(none()) } else { Ok(addresses.into_iter()) })
    }
}

async fn reach(port: u16, answers: &Answers) -> Result<SocketAddr, Error> {
    let url = Url::parse(&format!("ws://axp.invalid:{port}/ws")).unwrap();
    let tcp = dialer(Matcher::builder().build()).tcp(&url, answers.clone()).await?;
    Ok(tcp.peer_addr().unwrap())
}

/// An address where nothing is answered, not even no: its listener has no room for another
/// connection. None where the machine has no such address.
async fn silent(address: SocketAddr) -> Option<(TcpListener, Vec<TcpStream>)> {
    let socket = TcpSocket::new_v6().ok()?;
    socket.bind(address).ok()?;
    let listener = socket.listen(0).ok()?;
    let mut filling = Vec::new();
    let moment = Duration::from_millis(200);
    while let Ok(Ok(filled)) = tokio::time::timeout(moment, TcpStream::connect(address)).await {
        filling.push(filled);
        assert!(filling.len() < 64, "a listener without a backlog has no end");
    }
    Some((listener, filling))
}

#[tokio::test]
async fn a_name_whose_first_address_is_dead_is_reached_by_its_second_in_a_moment() {
    for is_silent in [false, true] {
        let live = TcpListener::bind((V4, 0)).await.unwrap();
        let port = live.local_addr().unwrap().port();
        let held = if is_silent { silent(SocketAddr::new(V6, port)).await } else { None };
        let began = Instant::now();
        let reached = reach(port, &Answers::new([&[V6, V4]])).await.unwrap();
        assert_eq!(reached, SocketAddr::new(V4, port));
        let took = began.elapsed();
        println!("dead address first, silent: {is_silent} ({}): {took:?}", held.is_some());
        assert!(took < CONNECT_TIMEOUT / 5, "{took:?}");
    }
}

#[tokio::test]
async fn each_attempt_asks_anew_where_a_name_leads() {
    let live = TcpListener::bind((V4, 0)).await.unwrap();
    let port = live.local_addr().unwrap().port();
    let answers = Answers::new([&[], &[V6], &[V4], &[V4, V6]]);
    for reaches in [false, false, true, true, false] {
        let reached = reach(port, &answers).await;
        assert_eq!(reached.is_ok(), reaches, "{reached:?}");
    }
    assert!(answers.0.lock().unwrap().is_empty());
}
