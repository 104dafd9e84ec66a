//! The status, as JSON over sockets and as a page in a browser.

use std::collections::BTreeSet;

use serde_json::{Value, json};

use crate::browser::Browser;
use crate::demo::Demo;
use crate::rig::{AGENTS, Rig, between, wait_for};
use crate::session::answer;
use crate::support::get;

/// A name that would run if it were markup.
const HOSTILE: &str = "<img src=x onerror=document.title='owned'>";

impl Rig {
    async fn json(&self, path: &str) -> Value {
        let (status, body) = self.get(path).await;
        assert_eq!(status, 200, "{body}");
        serde_json::from_str(&body).unwrap()
    }

    async fn status(&self) -> Value {
        self.json("/api/v1/status").await
    }

    async fn measure(&self, name: &str) -> Value {
        let measures = self.json("/api/v1/measures").await;
        let mut all = measures["measures"].as_array().unwrap().iter();
        all.find(|measure| measure["name"] == name).cloned().unwrap_or_default()
    }

    /// Sends an event of an agent.
    fn send(&self, measures: &Value) {
        let event = agent_event(&self.account_id, measures);
        self.fault(&json!({"fault": "frame", "text": event}).to_string());
    }
}

fn agent_event(account_id: &str, measures: &Value) -> String {
    json!({
        "accountId": account_id, "keys": {"agentId": "a1"}, "eventAction": "UPSERT", "eventSourceId": "IXCC_1.0.0",
        "measureProducerId": "Agent_itd_1.0.0", "payloadType": "LIVE", "measures": measures,
    })
    .to_string()
}

/// Every key, with the way to it; those of an array's elements as one.
fn keys(value: &Value, way: &str, found: &mut BTreeSet<String>) {
    match value {
        Value::Object(fields) => {
            for (name, value) in fields {
                let way = format!("{way}.{name}");
                found.insert(way.trim_start_matches('.').to_owned());
                keys(value, &way, found);
            }
        }
        Value::Array(elements) => {
            for element in elements {
                keys(element, &format!("{way}[]"), found);
            }
        }
        _ => {}
    }
}

#[tokio::test]
async fn the_keys_of_the_documents_are_stable() {
    let folder = tempfile::tempdir().unwrap();
    let sink = format!(
        "[[influx]]\nname = \"main\"\ntarget = \"file\"\npath = {:?}\nspool_dir = {:?}\n",
        folder.path().join("lines"),
        folder.path().join("spool")
    );
    let mut rig = Rig::start_with(&format!("{AGENTS}{sink}"), &[&answer("create", 500, "")], &[]).await;
    rig.ready().await;
    rig.send(&json!({"agentLogonDuration": "long"}));
    wait_for("a refusal", || async { rig.status().await["refusals"][0] != Value::Null }).await;
    let (mut status, mut measures) = (BTreeSet::new(), BTreeSet::new());
    keys(&rig.status().await, "", &mut status);
    keys(&rig.json("/api/v1/measures").await, "", &mut measures);
    status.retain(|key| !key.starts_with("feeds[].reconnects."));
    let expected = "cardinality cardinality.labels cardinality.labels[].label cardinality.labels[].values \
        cardinality.labels_counted_at cardinality.metrics cardinality.metrics[].metric \
        cardinality.metrics[].producer_id cardinality.metrics[].series feeds feeds[].data feeds[].last_event_at \
        feeds[].measures feeds[].ping_seconds feeds[].producer_id feeds[].reconnects feeds[].rows feeds[].series \
        feeds[].snapshot_complete feeds[].state feeds[].subscription_expires_at feeds[].taking_over feeds[].trouble \
        feeds[].trouble.at feeds[].trouble.words feeds[].waits_until_at limits limits.measures limits.measures.limit \
        limits.measures.used limits.rows limits.rows.limit limits.rows.used limits.series limits.series.limit \
        limits.series.used now_at ready refusals refusals[].at refusals[].measure refusals[].producer_id \
        refusals[].reason refusals[].value revision sinks sinks[].dropped sinks[].name sinks[].queue_bytes \
        sinks[].queue_bytes.limit sinks[].queue_bytes.used sinks[].queue_lines sinks[].rejected \
        sinks[].spool_bytes sinks[].spool_bytes.limit sinks[].spool_bytes.used sinks[].up sinks[].written started_at token_expires_at uptime_seconds version waiting_for";
    assert_eq!(status.iter().map(String::as_str).collect::<Vec<_>>().join(" "), expected);
    let expected = "measures measures[].kind measures[].label measures[].metric measures[].name measures[].personal \
        measures[].producer_id measures[].reason measures[].refusals measures[].series measures[].value \
        measures[].verdict now_at";
    assert_eq!(measures.iter().map(String::as_str).collect::<Vec<_>>().join(" "), expected);
    rig.stop().await;
}

#[tokio::test]
async fn the_status_follows_a_feed_through_its_life() {
    let mut rig = Rig::start_with(AGENTS, &[&answer("create", 503, r#","times":null"#)], &[]).await;
    // Before it has tried anything it waits as well.
    let has_failed = |feed: &Value| feed["state"] == "waiting" && feed["trouble"] != Value::Null;
    wait_for("a feed that waits", || async { has_failed(&rig.status().await["feeds"][0]) }).await;
    let status = rig.status().await;
    assert_eq!((&status["ready"], &status["waiting_for"]), (&json!(false), &json!(["Agent_itd_1.0.0"])));
    let feed = &status["feeds"][0];
    assert_eq!(
        (&feed["data"], &feed["rows"], &feed["last_event_at"]),
        (&json!("none"), &json!(0), &Value::Null)
    );
    assert!(feed["trouble"]["words"].as_str().unwrap().contains("503"), "{feed}");
    rig.fault(r#"{"fault":"clear"}"#);
    rig.ready().await;
    wait_for("current data", || async { rig.status().await["feeds"][0]["data"] == "current" }).await;
    let status = rig.status().await;
    let feed = &status["feeds"][0];
    assert_eq!((&status["ready"], &feed["state"], &feed["rows"]), (&json!(true), &json!("up"), &json!(10)));
    assert_eq!(feed["series"].as_f64(), Some(rig.of_agents("series", "").await));
    assert!(feed["reconnects"]["subscription"].as_u64() >= Some(1), "{feed}");
    assert!(feed["subscription_expires_at"].as_f64() > status["now_at"].as_f64(), "{feed}");
    assert!(feed["trouble"]["words"].as_str().unwrap().contains("503"), "kept when it is over");
    rig.fault(&answer("token", 503, r#","times":null"#));
    rig.fault(&answer("get", 503, r#","times":null"#));
    rig.fault(r#"{"fault":"close","code":1001,"reason":"going\u0007home"}"#);
    wait_for("stale data", || async { rig.status().await["feeds"][0]["data"] == "stale" }).await;
    let feed = rig.status().await["feeds"][0].take();
    assert_ne!(feed["state"], "up");
    assert_eq!(feed["reconnects"]["closed"], 1);
    rig.stop().await;
}

#[tokio::test]
async fn every_value_shown_is_one_that_metrics_shows() {
    let mut rig = Rig::start("").await;
    rig.ready().await;
    let measures = rig.json("/api/v1/measures").await;
    let (mut numbers, mut states) = (0, 0);
    for measure in measures["measures"].as_array().unwrap() {
        let Some(metric) = measure["metric"].as_str() else { continue };
        let samples = rig.samples(&format!("{metric}{{")).await;
        assert!(measure["label"] != Value::Null || measure["series"] == samples.len(), "{measure}");
        if let Some(number) = measure["value"].as_f64() {
            let ends = |sample: &String| sample.rsplit(' ').next().unwrap().parse() == Ok(number);
            assert!(samples.iter().any(ends), "{measure}");
            numbers += 1;
        } else if measure["kind"] == "state" {
            let state = format!("state=\"{}\"}} 1", measure["value"].as_str().unwrap());
            assert!(samples.iter().any(|sample| sample.ends_with(&state)), "{measure}");
            states += 1;
        }
    }
    assert!(numbers > 50 && states == 1, "{numbers} numbers, {states} states");
    rig.stop().await;
}

#[tokio::test]
async fn what_is_denied_is_seen_without_its_values() {
    let producer = format!("{AGENTS}deny = [\"userStatus\"]\n");
    let mut rig = Rig::start(&producer).await;
    rig.ready().await;
    for (name, reason, personal) in [("userStatus", "allowlist", false), ("agentFirstName", "personal", true)]
    {
        wait_for(name, || async { rig.measure(name).await != Value::Null }).await;
        let measure = rig.measure(name).await;
        assert_eq!(
            (&measure["verdict"], &measure["reason"]),
            (&json!("denied"), &json!(reason)),
            "{measure}"
        );
        assert_eq!((&measure["value"], &measure["series"]), (&Value::Null, &json!(0)), "{measure}");
        assert_eq!(measure["personal"], personal);
    }
    rig.stop().await;
}

#[tokio::test]
async fn a_refused_value_is_shown_cleaned_and_cut_but_never_one_that_is_personal() {
    for mode in ["keep", "drop"] {
        let rules = "[[producer.measure]]\nname = \"badge\"\nkind = \"number\"\n";
        let privacy = format!("[privacy]\npersonal = \"{mode}\"\nmeasures = [\"badge\"]\n");
        let mut rig = Rig::start(&format!("{AGENTS}{rules}{privacy}")).await;
        rig.ready().await;
        let long = format!("\u{1b}[31m{}", "x".repeat(100));
        let name = "agentDisplayName";
        rig.send(
            &json!({"agentLogonDuration": long, "badge": "Maria 1", "Maria 2": {}, "": 5, name: "Maria 3"}),
        );
        wait_for("the refusals", || async {
            rig.status().await["refusals"].to_string().contains("bad_name")
        })
        .await;
        let refusals = rig.status().await["refusals"].take();
        let of = |measure: &str| {
            let mut all = refusals.as_array().unwrap().iter();
            all.find(|refusal| refusal["measure"] == measure).cloned().unwrap_or_default()
        };
        let cut = format!(" [31m{}…", "x".repeat(64 - 5 - 3));
        assert_eq!(
            (&of("agentLogonDuration")["value"], &of("agentLogonDuration")["reason"]),
            (&json!(cut), &json!("not_a_number"))
        );
        let badge = of("badge");
        assert_eq!(badge != Value::Null, mode == "keep", "what is dropped is not refused: {badge}");
        assert_eq!(badge["value"], Value::Null);
        assert_eq!((&of("Maria 2")["reason"], &of("Maria 2")["value"]), (&json!("not_scalar"), &Value::Null));
        assert_eq!((&of("")["reason"], &of("")["value"]), (&json!("bad_name"), &json!("5")));
        assert_eq!(rig.measure("agentLogonDuration").await["refusals"], 1);
        for path in ["/", "/api/v1/status", "/api/v1/measures"] {
            let (_, body) = rig.get(path).await;
            assert!(!body.contains("Maria 1") && !body.contains("Maria 3"), "{path}: {body}");
        }
        rig.stop().await;
    }
}

/// What screen readers and keyboards need of a page, as a list of what is missing.
const STRUCTURE: &str = r#"(() => {
  const all = (selector) => [...document.querySelectorAll(selector)];
  const missing = [];
  const must = (holds, what) => { if (!holds) missing.push(what); };
  must(document.documentElement.lang === "en", "language");
  must(document.title.endsWith("axp-exporter"), "title");
  for (const mark of ["header", "nav[aria-label]", "main", "footer"]) must(all(mark).length === 1, mark);
  const levels = all("h1,h2,h3").map((heading) => Number(heading.tagName[1]));
  must(levels[0] === 1 && levels.every((level, at) => !at || (level > 1 && level <= levels[at - 1] + 1)), "headings " + levels);
  for (const input of all("input")) must(document.querySelector(`label[for=${input.id}]`), "label of " + input.id);
  for (const table of all("table")) must(table.caption && table.caption.textContent, "caption");
  for (const head of all("thead th")) must(head.scope === "col" && head.textContent, "column " + head.outerHTML);
  for (const line of all("tbody tr")) must(line.children[0].matches("th[scope=row]"), "row " + line.outerHTML);
  for (const link of all("a, button")) must(link.textContent.trim(), "name of " + link.outerHTML);
  for (const meter of all("meter")) must(meter.getAttribute("aria-label"), "name of a meter");
  for (const region of all("[role=region]")) must(region.tabIndex === 0 && (region.getAttribute("aria-label") || region.getAttribute("aria-labelledby")), "region");
  const ids = all("[id]").map((element) => element.id);
  must(new Set(ids).size === ids.length, "ids that differ");
  must(all("[aria-live=polite]").length >= 1, "a live region");
  for (const element of all("*")) for (const attribute of element.attributes) must(!attribute.name.startsWith("on"), attribute.name);
  return missing.join("; ");
})()"#;

#[tokio::test]
async fn the_page_shows_feeds_and_measures_and_hostile_names_stay_text() {
    let demo = Demo::start(&["--seed", "6"]);
    demo.admin("pause", "");
    let url = demo.metrics_url.replace("/metrics", "/");
    let measures = json!({"agentLogonDuration": HOSTILE, HOSTILE: "5", "userStatus": HOSTILE});
    let account = between(&demo.metrics(), "account_id=\"", "\"");
    let event = agent_event(&account, &measures);
    demo.admin(
        "faults",
        &json!({"fault": "frame", "producer": "Agent_itd_1.0.0", "text": event}).to_string(),
    );
    let mut browser = Browser::open(&url).await;
    browser.wait_for("document.querySelectorAll('#feeds article').length === 4").await;
    browser.wait_for("document.getElementById('verdict').textContent === 'Ready'").await;
    browser.wait_for("document.querySelectorAll('#measures tr').length > 90").await;
    let text = browser.evaluate("document.getElementById('live').textContent").await;
    let text = text.as_str().unwrap();
    for shown in ["Queue_itd_1.0.0", "contactsQueueing", "axp_queue_itd_contacts_queueing", "data current"] {
        assert!(text.contains(shown), "{shown} not in {text}");
    }
    browser
        .wait_for(&format!(
            "['#measures th div', '#measures .value', '#refusals code'].every(part => \
             [...document.querySelectorAll(part)].some(found => found.textContent === {}))",
            json!(HOSTILE)
        ))
        .await;
    assert_eq!(browser.evaluate("document.querySelectorAll('img, main script').length").await, 0);
    assert_eq!(browser.evaluate("document.title").await, "Ready – axp-exporter");
    assert_eq!(browser.evaluate(STRUCTURE).await, "");
    // The filter and the order of columns.
    let filter = |text: &str| {
        format!(
            "(() => {{ const filter = document.getElementById('filter'); filter.value = {}; \
             filter.dispatchEvent(new Event('input')); return document.getElementById('filtered').textContent; }})()",
            json!(text)
        )
    };
    assert!(browser.evaluate(&filter("<img")).await.as_str().unwrap().starts_with("1 of "));
    browser.evaluate(&filter("")).await;
    browser.evaluate("document.querySelector('[data-sort=refusals] button').click()").await;
    browser.evaluate("document.querySelector('[data-sort=refusals] button').click()").await;
    browser.wait_for("document.querySelector('#measures .number:last-child').textContent === '1'").await;
    let sorted = "document.querySelector('[data-sort=refusals]').getAttribute('aria-sort')";
    assert_eq!(browser.evaluate(sorted).await, "descending");
    assert!(browser.complaints.is_empty(), "{:#?}", browser.complaints);
    // What stands between the text and the page, were it ever put in as markup.
    let markup = "(() => { try { document.body.innerHTML = 'x'; return 'taken'; } catch (err) { return err.name; } })()";
    assert_eq!(browser.evaluate(markup).await, "TypeError");
}

#[tokio::test]
async fn the_page_shows_how_full_a_spool_is() {
    let folder = tempfile::tempdir().unwrap();
    let sink = format!(
        "[[influx]]\nname = \"away\"\nurl = \"http://127.0.0.1:1\"\napi = \"v1\"\ndatabase = \"axp\"\nspool_dir = {:?}\n\
         spool_bytes = \"1MiB\"\nflush_interval = \"100ms\"\n",
        folder.path().join("spool")
    );
    let mut rig = Rig::start(&format!("{AGENTS}{sink}")).await;
    rig.ready().await;
    let used = || async { rig.status().await["sinks"][0]["spool_bytes"]["used"].as_u64() };
    wait_for("lines on disk", || async { used().await > Some(100) }).await;
    assert_eq!(rig.status().await["sinks"][0]["spool_bytes"]["limit"], 1 << 20);
    assert_eq!(
        rig.value("axp_exporter_influx_spool_bytes{sink=\"away\"}").await,
        used().await.unwrap() as f64
    );
    let mut browser = Browser::open(&rig.metrics_url().replace("/metrics", "/")).await;
    browser.wait_for("document.querySelectorAll('#limits tr').length === 5").await;
    let line = "[...document.querySelectorAll('#limits tr')].find(line => line.textContent.startsWith('Spool of away, bytes'))";
    browser.wait_for(&format!("/[1-9]/.test({line}.children[2].textContent)")).await;
    assert_eq!(browser.evaluate(&format!("{line}.children[3].textContent")).await, "1,048,576");
    assert!(browser.complaints.is_empty(), "{:#?}", browser.complaints);
    rig.stop().await;
}

#[tokio::test]
async fn the_page_says_when_the_exporter_is_gone_and_how_old_it_is() {
    let mut demo = Demo::start(&["--seed", "6"]);
    let url = demo.metrics_url.replace("/metrics", "/");
    let page = get(&url);
    let plain = between(&page.body, "<noscript>", "</noscript>");
    assert!(plain.contains("<li>Queue_itd_1.0.0: up, data current, 8 rows"), "without its script: {plain}");
    assert!(page.body.contains(">Ready</p>") && page.body.contains("href=\"./metrics\""), "{}", page.body);
    let mut browser = Browser::open(&url).await;
    browser.wait_for("document.title === 'Ready – axp-exporter'").await;
    let close = r#"{"fault":"answer","operation":"token","status":503,"times":null}"#;
    demo.admin("faults", close);
    demo.admin("faults", r#"{"fault":"answer","operation":"get","status":503,"times":null}"#);
    demo.admin("faults", r#"{"fault":"close","producer":"Queue_itd_1.0.0"}"#);
    browser.wait_for("document.getElementById('verdict').textContent === 'Not up: Queue_itd_1.0.0'").await;
    browser.wait_for("document.getElementById('changes').textContent.includes('Queue_itd_1.0.0 is ')").await;
    browser
        .wait_for("document.getElementById('feeds').textContent.includes('rows as before the loss')")
        .await;
    assert!(demo.process.stop().success());
    browser
        .wait_for("document.getElementById('verdict').textContent === 'The exporter does not answer'")
        .await;
    browser
        .wait_for(r"/^What is shown here is \d+ s old\.$/.test(document.getElementById('age').textContent)")
        .await;
    assert_eq!(
        browser.evaluate("document.querySelectorAll('#feeds article').length").await,
        4,
        "what was known stays"
    );
}
