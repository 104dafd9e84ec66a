//! Which servers are believed, which are refused before they hear a word, and who we say we are.

use rcgen::{CertificateParams, ExtendedKeyUsagePurpose, date_time_ymd};
use tokio::net::TcpListener;

use super::authority::{Authority, Call, Files, Seen, Server, Shown, VERSIONS, config, params};
use super::*;
use crate::config::{Axp, SecretSource};
use crate::ingest::api::Api;
use crate::telemetry::Telemetry;

#[tokio::test]
async fn a_certificate_of_the_extra_authority_is_accepted() {
    let authority = Authority::new("ours");
    let files = Files::new(&authority);
    let mut between = CertificateParams::default();
    between.is_ca = rcgen::IsCa::Ca(rcgen::BasicConstraints::Constrained(0));
    for shown in [authority.sign(&params("localhost")), authority.sign_through(between, &params("localhost"))]
    {
        for (version, call) in every_way() {
            let server = Server::start(config(&shown, &[version], None), call).await;
            call.make(&files.dialer(), "localhost", server.port).await.unwrap();
            assert!(matches!(server.seen().await, Seen::Served(None)));
        }
    }
}

#[tokio::test]
async fn bad_certificates_are_refused_before_anything_is_sent() {
    let (authority, stranger) = (Authority::new("ours"), Authority::new("another"));
    let files = Files::new(&authority);
    let good = || params("localhost");
    let mut expired = good();
    (expired.not_before, expired.not_after) = (date_time_ymd(2020, 1, 1), date_time_ymd(2021, 1, 1));
    let mut early = good();
    early.not_before = date_time_ymd(3000, 1, 1);
    let mut for_clients = good();
    for_clients.extended_key_usages = vec![ExtendedKeyUsagePurpose::ClientAuth];
    for (what, shown, err, reason) in [
        ("of an unknown authority", stranger.sign(&good()), "UnknownIssuer", TlsError::UnknownIssuer),
        (
            "of one that has but its name",
            Authority::new("ours").sign(&good()),
            "BadSignature",
            TlsError::UnknownIssuer,
        ),
        ("expired", authority.sign(&expired), "Expired", TlsError::Expired),
        ("not yet valid", authority.sign(&early), "NotValidYet", TlsError::NotYetValid),
        ("for another host", authority.sign(&params("other.example")), "NotValidForName", TlsError::Name),
        ("for a name above it", authority.sign(&params("*.localhost")), "NotValidForName", TlsError::Name),
        ("self-signed", Shown::self_signed(&good()), "UnknownIssuer", TlsError::UnknownIssuer),
        (
            "signed by no authority",
            authority.sign_through(good(), &good()),
            "EndEntityUsedAsCa",
            TlsError::Other,
        ),
        ("for clients", authority.sign(&for_clients), "InvalidPurpose", TlsError::Other),
    ] {
        for (version, call) in every_way() {
            let server = Server::start(config(&shown, &[version], None), call).await;
            let (refused, counted) = call.make(&files.dialer(), "localhost", server.port).await.unwrap_err();
            assert!(refused.contains(err), "{what}, {call:?}, {version:?}: {refused}");
            assert_eq!(counted, Some(reason), "{what}, {call:?}, {version:?}");
            let is_of_time = matches!(reason, TlsError::Expired | TlsError::NotYetValid);
            assert_eq!(refused.ends_with("look at this machine's clock first"), is_of_time, "{refused}");
            let seen = server.seen().await;
            // The handshake never ended, so there was no key to read a word with.
            let is_told = matches!(&seen, Seen::Refused(alert) if alert.contains("received fatal alert"));
            assert!(is_told, "{what}, {call:?}, {version:?}: {seen:?}");
        }
    }
}

#[tokio::test]
async fn a_server_that_speaks_at_most_tls_1_1_is_refused() {
    // A ServerHello of version 3.2, its random and no session id, an old suite, no compression.
    let mut hello = vec![0x16, 3, 2, 0, 42, 2, 0, 0, 38, 3, 2];
    hello.extend([7; 32]);
    hello.extend([0, 0, 0x2f, 0]);
    // Or it refuses our versions: alert, fatal, protocol_version.
    let alert = vec![0x15, 3, 2, 0, 2, 2, 70];
    let files = Files::new(&Authority::new("ours"));
    for (answer, err) in [(hello, "ServerDoesNotSupportTls12Or13"), (alert, "AlertReceived(ProtocolVersion)")]
    {
        for call in Call::ALL {
            let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
            let port = listener.local_addr().unwrap().port();
            let answer = answer.clone();
            let heard = tokio::spawn(async move {
                let (mut stream, _) = listener.accept().await.unwrap();
                let hello = record(&mut stream).await.unwrap();
                stream.write_all(&answer).await.unwrap();
                let mut heard = vec![hello];
                while let Some(record) = record(&mut stream).await {
                    heard.push(record);
                }
                heard
            });
            let (refused, counted) = call.make(&files.dialer(), "localhost", port).await.unwrap_err();
            assert!(refused.contains(err), "{call:?}: {refused}");
            assert_eq!(counted, Some(TlsError::Protocol), "{call:?}: {refused}");
            let heard = heard.await.unwrap();
            assert_eq!(heard[0], HANDSHAKE);
            assert!(heard[1..].iter().all(|kind| *kind == ALERT), "{call:?}: {heard:?}");
        }
    }
}

#[tokio::test]
async fn a_server_that_demands_a_client_certificate_accepts_ours_and_refuses_none() {
    let authority = Authority::new("ours");
    let shown = authority.sign(&params("localhost"));
    for (version, call) in every_way() {
        let files = Files::new(&authority);
        let server = Server::start(config(&shown, &[version], Some(&authority)), call).await;
        let (refused, counted) = call.make(&files.dialer(), "localhost", server.port).await.unwrap_err();
        assert_eq!(counted, Some(TlsError::ClientCertificate), "{call:?}, {version:?}: {refused}");
        let seen = server.seen().await;
        assert!(matches!(&seen, Seen::Refused(why) if why.contains("no certificates")), "{seen:?}");

        let client = authority.sign(&params("client"));
        files.put_client(&client);
        let server = Server::start(config(&shown, &[version], Some(&authority)), call).await;
        call.make(&files.dialer(), "localhost", server.port).await.unwrap();
        let seen = server.seen().await;
        assert!(matches!(&seen, Seen::Served(Some(certificate)) if *certificate == client.chain[0]));
    }
}

#[tokio::test]
async fn a_renewed_client_certificate_is_shown_without_a_restart_and_a_broken_one_never() {
    let authority = Authority::new("ours");
    let config = config(&authority.sign(&params("localhost")), &VERSIONS, Some(&authority));
    let (first, second) = (authority.sign(&params("first")), authority.sign(&params("second")));
    let files = Files::new(&authority);
    // Each by itself: neither lives on what the other has read.
    for call in Call::ALL {
        files.put_client(&first);
        let dialer = files.dialer();
        for (renewed, expected) in [(false, &first), (false, &first), (true, &second)] {
            // Half of a renewal: the certificate is there, its key is not.
            files.write("cert.pem", &second.pem);
            if renewed {
                files.put_client(&second);
            }
            let server = Server::start(Arc::clone(&config), call).await;
            call.make(&dialer, "localhost", server.port).await.unwrap();
            let seen = server.seen().await;
            assert!(matches!(&seen, Seen::Served(Some(certificate)) if *certificate == expected.chain[0]));
        }
    }
}

#[tokio::test]
async fn who_asks_axp_shows_the_client_certificate_that_is_there_then() {
    let authority = Authority::new("ours");
    let config = config(&authority.sign(&params("localhost")), &VERSIONS, Some(&authority));
    let (first, second) = (authority.sign(&params("first")), authority.sign(&params("second")));
    let files = Files::new(&authority);
    files.put_client(&first);
    let server = Server::start(config, Call::Rest).await;
    let url = Url::parse(&format!("https://localhost:{}/", server.port)).unwrap();
    let secret = || SecretSource::Inline("hush".into());
    let api = Api::new(
        &Axp::default(),
        url.clone(),
        url,
        (secret(), secret()),
        &files.dialer(),
        &Telemetry::new(0),
    );
    files.put_client(&second);
    assert!(api.unwrap().token().await.is_err(), "the server has none to give");
    let seen = server.seen().await;
    assert!(matches!(&seen, Seen::Served(Some(certificate)) if *certificate == second.chain[0]));
}

#[tokio::test(start_paused = true)]
async fn a_client_certificate_whose_disk_hangs_holds_up_a_connection_for_some_seconds_and_stays() {
    let authority = Authority::new("ours");
    let files = Files::new(&authority);
    let first = authority.sign(&params("first"));
    files.put_client(&first);
    let identity = files.dialer().identity.unwrap();
    files.put_client(&authority.sign(&params("second")));
    let (disk, answer) = std::sync::mpsc::channel::<()>();
    let hangs = identity.certificate.clone();
    tokio::spawn(async move { hangs.run(move |_| answer.recv()).await });
    while !identity.certificate.is_busy() {
        tokio::task::yield_now().await;
    }
    tokio::join!(identity.refresh(), tokio::time::advance(super::super::identity::READ_TIMEOUT));
    let shown = rustls::client::ResolvesClientCert::resolve(&*identity, &[], &[]).unwrap();
    assert_eq!(shown.cert, first.chain);
    drop(disk);
    identity.refresh().await;
    let shown = rustls::client::ResolvesClientCert::resolve(&*identity, &[], &[]).unwrap();
    assert_ne!(shown.cert, first.chain, "once the disk answers it is the new one");
}

#[tokio::test]
async fn tls_goes_through_the_proxy_to_the_server_that_was_meant() {
    let authority = Authority::new("ours");
    let files = Files::new(&authority);
    for (name, believed) in [("axp.invalid", true), ("proxy.invalid", false)] {
        let shown = authority.sign(&params(name));
        let server = Server::start(config(&shown, &VERSIONS, None), Call::Websocket).await;
        let proxy = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let proxies = Matcher::builder().all(format!("http://{}", proxy.local_addr().unwrap())).build();
        let tunnel = tokio::spawn(tunnel(proxy, SocketAddr::from(([127, 0, 0, 1], server.port))));
        let dialer = Dialer { proxies: Arc::new(proxies), ..files.dialer() };
        let made = Call::Websocket.make(&dialer, "axp.invalid", 443).await;
        assert_eq!(made.is_ok(), believed, "{made:?}");
        assert_eq!(matches!(server.seen().await, Seen::Served(None)), believed);
        let head = tunnel.await.unwrap().to_ascii_lowercase();
        assert!(head.starts_with("connect axp.invalid:443 http/1.1\r\n"), "{head}");
    }
}

/// Types of TLS records ([RFC 8446](https://www.rfc-editor.org/rfc/rfc8446#section-5.1)).
const ALERT: u8 = 21;
const HANDSHAKE: u8 = 22;

/// Reads one TLS record and gives its type; `None` at the end.
async fn record(stream: &mut TcpStream) -> Option<u8> {
    let mut head = [0; 5];
    stream.read_exact(&mut head).await.ok()?;
    let mut body = vec![0; usize::from(u16::from_be_bytes([head[3], head[4]]))];
    stream.read_exact(&mut body).await.ok()?;
    Some(head[0])
}

/// Each version that is spoken with each kind of connection.
fn every_way() -> impl Iterator<Item = (&'static rustls::SupportedProtocolVersion, Call)> {
    VERSIONS.into_iter().flat_map(|version| Call::ALL.into_iter().map(move |call| (version, call)))
}
