//! Who is turned away at the door is counted.

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
