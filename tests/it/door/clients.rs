//! TLS: what is agreed on, and which clients are let in.

use super::*;

#[test]
fn where_tls_is_spoken_nothing_else_is() {
    let house = House::new();
    let running = house.open(TLS);
    assert!(running.urls[0].starts_with("https://127.0.0.1:"), "{:?}", running.urls);
    let seen = house.client().ok(running.port());
    assert_eq!((seen.version, seen.protocol.as_deref()), (ProtocolVersion::TLSv1_3, Some(&b"http/1.1"[..])));
    let answer = running.get("/metrics", "");
    assert_eq!((answer.status, answer.body.as_str()), (400, "TLS is spoken here; use https\n"));
    assert!(answer.head.contains("content-length: 30"), "{}", answer.head);
    // Neither one that says nothing nor one that stops in the middle keeps others out.
    let _silent = TcpStream::connect(running.address()).unwrap();
    TcpStream::connect(running.address()).unwrap().write_all(b"\x16\x03\x01").unwrap();
    house.client().ok(running.port());
}

#[test]
fn versions_and_suites_are_those_of_the_file() {
    let house = House::new();
    let older = Client { versions: vec![&rustls::version::TLS12], ..house.client() };
    let running = house.open(&format!("{TLS}  min_version: TLS13\n"));
    assert!(older.get(running.port(), "").is_err());
    assert_eq!(house.client().ok(running.port()).version, ProtocolVersion::TLSv1_3);
    let suites = "cipher_suites: [TLS_ECDHE_ECDSA_WITH_CHACHA20_POLY1305_SHA256, TLS_ECDHE_ECDSA_WITH_AES_128_GCM_SHA256]";
    let running = house.open(&format!("{TLS}  max_version: TLS12\n  {suites}\n"));
    let seen = house.client().ok(running.port());
    assert_eq!(seen.version, ProtocolVersion::TLSv1_2);
    assert_eq!(seen.suite, "TLS_ECDHE_ECDSA_WITH_CHACHA20_POLY1305_SHA256", "the server's order");
}

#[test]
fn each_client_auth_type_lets_in_whom_it_is_for() {
    let house = House::new();
    let signed = || Some(house.authority.sign(&[dns("scraper.example")]));
    for (kind, [none, own, trusted]) in [
        ("NoClientCert", [true, true, true]),
        ("RequestClientCert", [true, true, true]),
        ("RequireAnyClientCert", [false, true, true]),
        ("VerifyClientCertIfGiven", [true, false, true]),
        ("RequireAndVerifyClientCert", [false, false, true]),
    ] {
        let authority = if kind == "NoClientCert" { "" } else { "  client_ca_file: ca.pem\n" };
        let running = house.open(&format!("{TLS}  client_auth_type: {kind}\n{authority}"));
        for (pair, is_let_in) in [(None, none), (Some(self_made()), own), (signed(), trusted)] {
            let what = format!("{kind}, with a certificate: {}", pair.is_some());
            for version in BOTH {
                let pair = pair
                    .as_ref()
                    .map(|pair| Pair { certificate: pair.certificate.clone(), key: pair.key.clone() });
                let client = Client { pair, versions: vec![version], ..house.client() };
                let seen = client.get(running.port(), "");
                assert_eq!(seen.is_ok(), is_let_in, "{what}, {:?}: {:?}", version.version, seen.err());
            }
        }
    }
}

#[test]
fn of_the_verified_only_those_with_an_allowed_name_get_in() {
    let house = House::new();
    let allowed =
        "[scraper.example, 192.0.2.7, '2001:db8::7', ops@example.org, 'spiffe://example.org/scraper']";
    let verified = "client_auth_type: RequireAndVerifyClientCert\n  client_ca_file: ca.pem";
    let running = house.open(&format!("{TLS}  {verified}\n  client_allowed_sans: {allowed}\n"));
    let get = |names: &[SanType]| {
        let pair = Some(house.authority.sign(names));
        Client { pair, ..house.client() }.get(running.port(), "")
    };
    for name in [
        dns("scraper.example"),
        SanType::IpAddress("192.0.2.7".parse().unwrap()),
        SanType::IpAddress("2001:db8::7".parse().unwrap()),
        SanType::Rfc822Name("ops@example.org".try_into().unwrap()),
        SanType::URI("spiffe://example.org/scraper".try_into().unwrap()),
    ] {
        assert!(get(&[dns("other.example"), name.clone()]).is_ok(), "{name:?}");
    }
    for name in
        [dns("other.example"), dns("a.scraper.example"), SanType::IpAddress("192.0.2.8".parse().unwrap())]
    {
        assert!(get(std::slice::from_ref(&name)).is_err(), "{name:?}");
    }
    assert!(get(&[]).is_err(), "no name at all");
    // The right name in a certificate that anybody could make.
    let key = KeyPair::generate().unwrap();
    let own = CertificateParams::new(["scraper.example".to_owned()]).unwrap().self_signed(&key).unwrap();
    let pair = Some(Pair { certificate: own.pem(), key: key.serialize_pem() });
    assert!(Client { pair, ..house.client() }.get(running.port(), "").is_err());
}
