//! Readers so slow that others wait for room: who is cut off, and who is left alone.

use std::net::Ipv4Addr;
use std::time::Duration;

use futures_util::future::AbortHandle;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpSocket, TcpStream};
use tokio::sync::watch;
use tokio::time::{Instant, advance, timeout};

use super::*;
use crate::config::Address;
use crate::web::door::Door;
use crate::web::places::Place;
use crate::web::readers::Reader;
use crate::web::{listener, server};

/// How long a reader is left alone at least.
const GRACE: Duration = Duration::from_secs(2);
/// How long a step of a real client may take.
const PATIENCE: Duration = Duration::from_secs(30);

/// A place, and who reads eight megabytes there by which connection.
type Reading = (Place, AbortHandle, Arc<Reader>);

/// Four places, and four who have begun to read.
fn four_readers() -> (Places, Vec<Reading>) {
    let places = Places::new(4, 8);
    let reader = |_: u8| {
        let place = places.try_take().unwrap();
        let (reader, connection) = (place.readers().enter(8_000_000), AbortHandle::new_pair().0);
        reader.carried_by(&connection);
        (place, connection, reader)
    };
    let readers = (0..4).map(reader).collect();
    (places, readers)
}

#[tokio::test(start_paused = true)]
async fn who_would_take_longest_is_cut_off_and_who_is_done_in_time_never() {
    let speeds = [1_000_000, 10_000, 900_000, 100_000];
    let (places, mut readers) = four_readers();
    let cut = |readers: &[Reading]| readers.iter().map(|(_, one, _)| one.is_aborted()).collect::<Vec<_>>();
    let due = Instant::now() + Duration::from_secs(12);
    assert_eq!(places.clear(due), 0, "all of them have hardly begun");
    advance(GRACE).await;
    for ((.., reader), speed) in std::iter::zip(&readers, speeds) {
        reader.take(speed * GRACE.as_secs());
    }
    assert_eq!((places.clear(due), cut(&readers)), (1, vec![false, true, false, false]), "the slowest first");
    drop(readers.remove(1));
    assert_eq!((places.clear(due), cut(&readers)), (1, vec![false, false, true]), "then the next");
    drop(readers.remove(2));
    assert_eq!((places.clear(due), cut(&readers)), (0, vec![false, false]), "they are done by then");
    // Whoever seems fast and stops is one of the slow, sooner or later.
    advance(Duration::from_secs(9)).await;
    assert_eq!((places.clear(due), cut(&readers)), (1, vec![false, true]));
}

#[tokio::test(start_paused = true)]
async fn of_those_who_share_a_rendering_the_fast_one_is_left_alone() {
    let places = Places::new(1, 8);
    let place = places.try_take().unwrap();
    assert_eq!(places.clear(Instant::now()), 0, "nobody reads it");
    let [(slow, slow_connection), (fast, fast_connection)] = [(); 2].map(|()| {
        let (reader, connection) = (place.readers().enter(8_000_000), AbortHandle::new_pair().0);
        reader.carried_by(&connection);
        (reader, connection)
    });
    advance(GRACE).await;
    fast.take(7_000_000);
    slow.take(1_000);
    let due = Instant::now() + Duration::from_secs(1);
    assert_eq!(places.clear(due), 1);
    assert_eq!((slow_connection.is_aborted(), fast_connection.is_aborted()), (true, false));
    assert_eq!(places.clear(due), 0, "counted once");
}

/// A client over a real socket that has asked, and takes no more than what fits in its buffers.
async fn ask(address: &str, headers: &str) -> TcpStream {
    let socket = TcpSocket::new_v4().unwrap();
    socket.set_recv_buffer_size(16 << 10).unwrap();
    let mut client = socket.connect(address.parse().unwrap()).await.unwrap();
    let request = format!("GET /metrics HTTP/1.1\r\nHost: test\r\n{headers}Connection: close\r\n\r\n");
    client.write_all(request.as_bytes()).await.unwrap();
    client
}

/// What comes until its end, and whether that is as much as was said.
async fn read(client: &mut TcpStream) -> (String, bool) {
    let mut bytes = Vec::new();
    let end = timeout(PATIENCE, client.read_to_end(&mut bytes)).await.expect("it ends");
    let text = String::from_utf8(bytes).unwrap();
    let (head, body) = text.split_once("\r\n\r\n").unwrap();
    let length = head.lines().find_map(|line| line.strip_prefix("content-length: ")).unwrap();
    let is_whole = end.is_ok() && body.len() == length.parse::<usize>().unwrap();
    (head.lines().next().unwrap().to_owned(), is_whole)
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn readers_who_fill_every_place_and_stop_do_not_keep_a_scraper_from_its_answer() {
    let bench = Bench::with_places(30_000, Places::new(4, 8));
    let megabytes = bench.get("/metrics", &[]).await.body.len() >> 20;
    assert_eq!(megabytes, 7, "a whole place's worth, and more than sockets hold");
    let door = Arc::new(Door::new(Arc::clone(&bench.site), None).unwrap());
    let listeners = listener::bind(&Address::Host(format!("{}:0", Ipv4Addr::LOCALHOST))).await.unwrap();
    let address = listeners[0].to_string();
    let (stop, stopped) = watch::channel(false);
    let serving = tokio::spawn(server::serve(listeners, door, stopped));

    let mut slow = Vec::new();
    for moment in 0_u8..4 {
        // Each has a rendering of its own.
        bench.set_wait(f64::from(moment));
        let mut client = ask(&address, "").await;
        assert_eq!(timeout(PATIENCE, client.read_u8()).await.unwrap().unwrap(), b'H');
        slow.push(client);
    }
    bench.set_wait(5.0);
    let began = Instant::now();
    let mut honest = ask(&address, "X-Prometheus-Scrape-Timeout-Seconds: 10\r\n").await;
    let (status, is_whole) = read(&mut honest).await;
    assert_eq!((status.as_str(), is_whole), ("HTTP/1.1 200 OK", true));
    assert!(began.elapsed() < Duration::from_secs(10), "{:?}", began.elapsed());
    assert_eq!(bench.own(r#"axp_exporter_scrapes_refused_total{reason="slow"}"#), 1);
    assert_eq!(bench.own(r#"axp_exporter_scrapes_refused_total{reason="timeout"}"#), 0);
    let mut whole = 0;
    for client in &mut slow {
        whole += usize::from(read(client).await.1);
    }
    assert_eq!(whole, 3, "no more are cut off than have to be, and they notice by the length");
    stop.send(true).unwrap();
    serving.await.unwrap();
}
