//! Clients over TLS who stop reading: what the encryption has taken in is not what they have taken.

use std::io::Cursor;
use std::time::Duration;

use hyper_util::server::graceful::GracefulShutdown;
use rustls::pki_types::PrivatePkcs8KeyDer;
use rustls::{ClientConfig, ClientConnection, RootCertStore, ServerConfig};
use tokio::io::{AsyncReadExt, AsyncWriteExt, DuplexStream};
use tokio::task::JoinHandle;
use tokio::time::{Instant, sleep};

use super::*;
use crate::web::connection::{Error, serve};
use crate::web::door::Door;
use crate::web::patient::Limits;
use crate::web::tls;

const REQUEST: &[u8] = b"GET /metrics HTTP/1.1\r\nHost: localhost\r\n\r\n";

/// A client whose request is on its way, with the bytes that it sees, still encrypted; and what
/// became of its connection.
async fn ask_over_tls(bench: &Bench) -> (DuplexStream, JoinHandle<Result<(), Error>>) {
    let made = rcgen::generate_simple_self_signed(["localhost".to_owned()]).unwrap();
    let certificate = made.cert.der().clone();
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let server = ServerConfig::builder_with_provider(Arc::clone(&provider));
    let key = PrivatePkcs8KeyDer::from(made.signing_key.serialize_der());
    let server = server.with_safe_default_protocol_versions().unwrap().with_no_client_auth();
    let server = Arc::new(server.with_single_cert(vec![certificate.clone()], key.into()).unwrap());
    let mut roots = RootCertStore::empty();
    roots.add(certificate).unwrap();
    let client = ClientConfig::builder_with_provider(provider).with_safe_default_protocol_versions();
    let client = Arc::new(client.unwrap().with_root_certificates(roots).with_no_client_auth());

    let (mut near, far) = tokio::io::duplex(4096);
    let door = Arc::new(Door::new(Arc::clone(&bench.site), None).unwrap());
    let serving = tokio::spawn(async move {
        let stream = tls::accept(far, server, Limits::default()).await.unwrap();
        let graceful = GracefulShutdown::new();
        serve(stream, door, Limits::default(), || false, graceful.watcher()).await
    });
    let mut session = ClientConnection::new(client, "localhost".try_into().unwrap()).unwrap();
    while session.is_handshaking() {
        send(&mut session, &mut near).await;
        if session.wants_read() && session.is_handshaking() {
            let mut bytes = [0; 4096];
            let count = near.read(&mut bytes).await.unwrap();
            let mut bytes = Cursor::new(&bytes[..count]);
            while bytes.position() < count as u64 {
                session.read_tls(&mut bytes).unwrap();
                session.process_new_packets().unwrap();
            }
        }
    }
    std::io::Write::write_all(&mut session.writer(), REQUEST).unwrap();
    send(&mut session, &mut near).await;
    (near, serving)
}

async fn send(session: &mut ClientConnection, near: &mut DuplexStream) {
    let mut bytes = Vec::new();
    while session.wants_write() {
        session.write_tls(&mut bytes).unwrap();
    }
    near.write_all(&bytes).await.unwrap();
}

#[tokio::test(start_paused = true)]
async fn a_client_over_tls_that_takes_nothing_more_is_cut_off_whatever_the_answer_s_length() {
    // One that the encryption holds as a whole, and one that it does not.
    for queues in [20, 2000] {
        let bench = Bench::new(queues);
        let (_near, server) = ask_over_tls(&bench).await;
        let began = Instant::now();
        assert!(server.await.unwrap().is_err(), "{queues}");
        let took = began.elapsed();
        assert!(
            took >= Limits::default().stall && took <= Limits::default().stall + Duration::from_secs(1),
            "{queues}: {took:?}"
        );
    }
}

#[tokio::test(start_paused = true)]
async fn a_client_over_tls_that_takes_a_byte_now_and_then_is_cut_off_too() {
    let bench = Bench::new(2000);
    let (mut near, server) = ask_over_tls(&bench).await;
    let began = Instant::now();
    while !server.is_finished() {
        assert!(began.elapsed() < Duration::from_secs(600), "it is still served");
        let _ = near.read_u8().await;
        sleep(Duration::from_secs(5)).await;
    }
    assert!(server.await.unwrap().is_err());
    assert!(began.elapsed() <= Limits::default().answer + Duration::from_secs(5), "{:?}", began.elapsed());
    assert_eq!(bench.get("/metrics", &[]).await.status, 200);
}
