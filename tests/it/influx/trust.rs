//! Whom a sink trusts: the system's authorities, and those of `axp.ca_file` as the last reload has it.

use std::net::SocketAddr;
use std::sync::Arc;

use rustls::ServerConfig;
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use tokio::io::copy_bidirectional;
use tokio::net::{TcpListener, TcpStream};
use tokio::task::JoinSet;
use tokio_rustls::TlsAcceptor;

use super::stand_in::{StandIn, status};
use crate::door::{Authority, Pair, dns};
use crate::rig::{AGENTS, Rig, wait_for};

/// A way by TLS to a server that speaks none; gives its port.
async fn lead(pair: &Pair, server: SocketAddr) -> u16 {
    let certificate = CertificateDer::from_pem_slice(pair.certificate.as_bytes()).unwrap();
    let key = PrivateKeyDer::from_pem_slice(pair.key.as_bytes()).unwrap();
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let builder = ServerConfig::builder_with_provider(provider).with_safe_default_protocol_versions();
    let config = builder.unwrap().with_no_client_auth().with_single_cert(vec![certificate], key).unwrap();
    let acceptor = TlsAcceptor::from(Arc::new(config));
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let port = listener.local_addr().unwrap().port();
    tokio::spawn(async move {
        let mut connections = JoinSet::new();
        while let Ok((stream, _)) = listener.accept().await {
            let acceptor = acceptor.clone();
            connections.spawn(async move {
                let Ok(mut client) = acceptor.accept(stream).await else { return };
                let mut server = TcpStream::connect(server).await.unwrap();
                let _ = copy_bidirectional(&mut client, &mut server).await;
            });
        }
    });
    port
}

#[tokio::test]
async fn an_authority_that_a_reload_brings_is_trusted_by_sinks_that_run() {
    let (folder, server) = (tempfile::tempdir().unwrap(), StandIn::start(|_| status(204)).await);
    let (theirs, ours) = (Authority::new(), Authority::new());
    let port = lead(&ours.sign(&[dns("localhost")]), server.address).await;
    let [theirs, ours] = [("theirs.pem", theirs), ("ours.pem", ours)].map(|(name, authority)| {
        let path = folder.path().join(name);
        std::fs::write(&path, &authority.pem).unwrap();
        path.to_str().unwrap().to_owned()
    });
    let sink = format!(
        "[[influx]]\nname = \"main\"\nurl = \"https://localhost:{port}\"\napi = \"v3\"\ndatabase = \"axp\"\n\
         flush_interval = \"10ms\"\n"
    );
    let environment = [("AXP_EXPORTER_AXP__CA_FILE", theirs.as_str())];
    let mut rig = Rig::start_with(&format!("{AGENTS}{sink}"), &[], &environment).await;
    let strangers = || rig.value(r#"axp_exporter_tls_errors_total{reason="unknown_issuer"}"#);
    wait_for("the server to be taken for a stranger", || async { strangers().await >= 1.0 }).await;
    let up = || rig.value(r#"axp_exporter_influx_up{sink="main"}"#);
    assert_eq!((up().await, server.seen().len()), (0.0, 0), "it is told nothing");
    let text = rig.configuration().replace("[axp]\n", &format!("[axp]\nca_file = {ours:?}\n"));
    rig.reload(&text).await.unwrap();
    wait_for("the lines", || async { up().await == 1.0 && !server.lines().is_empty() }).await;
    rig.stop().await;
}
