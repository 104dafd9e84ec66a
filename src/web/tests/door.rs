//! Who is turned away at the door is counted; and nobody waits for long for what it says there.

use std::time::{Duration, Instant};

use futures_util::FutureExt;
use hyper::header::X_FRAME_OPTIONS;
use tokio::time::timeout;

use super::*;
use crate::web::door::Door;

#[tokio::test]
async fn who_does_not_get_in_is_counted_by_the_reason() {
    const HASH: &str = "$2y$04$QOauhQNbBCuQDKes6eFzPeMqBSjb7Mr5DUmpZ/VcEd00UAV/LDeSi";
    let bench = Bench::new(1);
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("web.yml");
    let text = format!("basic_auth_users: {{ann: {HASH}}}\nrate_limit: {{interval: 1h, burst: 2}}\n");
    std::fs::write(&file, text).unwrap();
    let mode = std::os::unix::fs::PermissionsExt::from_mode(0o600);
    std::fs::set_permissions(&file, mode).unwrap();
    let door = Door::new(Arc::clone(&bench.site), Some(file)).unwrap();
    let request = Request::get("/metrics").body(()).unwrap();
    let mut statuses = Vec::new();
    for _ in 0..3 {
        statuses.push(door.answer(&request).await.status().as_u16());
    }
    assert_eq!(statuses, [401, 401, 429]);
    let counted = |reason| bench.own(&format!("axp_exporter_http_refused_total{{reason=\"{reason}\"}}"));
    assert_eq!(["unauthorized", "rate", "busy", "accept"].map(counted), [2, 1, 0, 0]);
}

#[test]
fn a_disk_that_hangs_with_the_file_is_waited_for_once_and_holds_one_thread() {
    const PATIENCE: Duration = Duration::from_secs(20);
    // One for it, and one to render on.
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().max_blocking_threads(2).build();
    runtime.unwrap().block_on(async {
        let bench = Bench::new(1);
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("web.yml");
        let write = |value: &str| {
            let text = format!("http_server_config: {{headers: {{X-Frame-Options: {value}}}}}");
            std::fs::write(&file, text).unwrap();
        };
        write("deny");
        let door = Door::new(Arc::clone(&bench.site), Some(file.clone())).unwrap();
        let answer = async |path: &str, seconds: &str| {
            let request = Request::get(path).header("x-prometheus-scrape-timeout-seconds", seconds);
            let response = door.answer(&request.body(()).unwrap()).await;
            (response.status().as_u16(), response.headers()[X_FRAME_OPTIONS].to_str().unwrap().to_owned())
        };
        let hang = door.hang().await;
        for _ in 0..10 {
            assert!(answer("/metrics", "10").now_or_never().is_none(), "it waits, and leaves");
        }
        let before = (200, "deny".to_owned());
        assert_eq!(timeout(PATIENCE, answer("/-/healthy", "0.4")).await, Ok(before.clone()), "in its time");
        let began = Instant::now();
        for _ in 0..20 {
            assert_eq!(timeout(PATIENCE, answer("/metrics", "10")).await, Ok(before.clone()));
        }
        assert!(began.elapsed() < PATIENCE, "{:?}", began.elapsed());
        write("sameorigin");
        drop(hang);
        let is_renewed = async {
            while answer("/-/healthy", "10").await.1 != "sameorigin" {
                tokio::task::yield_now().await;
            }
        };
        timeout(PATIENCE, is_renewed).await.expect("what it says comes in force again");
    });
}
