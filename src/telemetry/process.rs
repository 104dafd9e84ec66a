//! `process_*`: what the system says of this process, under the names that all
//! [Prometheus client libraries](https://prometheus.io/docs/instrumenting/writing_clientlibs/#process-metrics)
//! use; and how many tasks there are. Read from `/proc` and the runtime at each scrape; what cannot be read is
//! left out.

use procfs::WithCurrentSystemInfo;
use procfs::process::{LimitValue, Process};
use prometheus_client::collector::Collector;
use prometheus_client::encoding::{DescriptorEncoder, EncodeMetric};
use prometheus_client::metrics::counter::ConstCounter;
use prometheus_client::metrics::gauge::ConstGauge;
use tokio::runtime::Handle;

/// Reads `/proc/self`.
#[derive(Debug)]
pub(super) struct ProcessCollector;

impl Collector for ProcessCollector {
    fn encode(&self, mut encoder: DescriptorEncoder<'_>) -> Result<(), std::fmt::Error> {
        let Ok(process) = Process::myself() else {
            return Ok(());
        };
        let mut gauge = |name: &str, help: &str, value: Option<f64>| match value {
            Some(value) => {
                let gauge = ConstGauge::new(value);
                gauge.encode(encoder.encode_descriptor(name, help, None, gauge.metric_type())?)
            }
            None => Ok(()),
        };
        let tasks = Handle::try_current()
            .ok()
            .and_then(|runtime| u32::try_from(runtime.metrics().num_alive_tasks()).ok());
        gauge("axp_exporter_tasks", "Tasks that have not ended", tasks.map(f64::from))?;
        let stat = process.stat().ok();
        let stat = stat.as_ref();
        let descriptors = process.fd_count().ok().and_then(|count| u32::try_from(count).ok());
        let descriptors_max =
            process.limits().ok().and_then(|limits| match limits.max_open_files.soft_limit {
                LimitValue::Value(value) => Some(value),
                LimitValue::Unlimited => None,
            });
        gauge("process_open_fds", "Open file descriptors", descriptors.map(f64::from))?;
        gauge("process_max_fds", "Most file descriptors that may be open", descriptors_max.map(float))?;
        gauge("process_virtual_memory_bytes", "Virtual memory", stat.map(|stat| float(stat.vsize)))?;
        let resident = stat.map(|stat| float(stat.rss_bytes().get()));
        gauge("process_resident_memory_bytes", "Memory in use", resident)?;
        let threads = stat.map(|stat| f64::from(i32::try_from(stat.num_threads).unwrap_or(i32::MAX)));
        gauge("process_threads", "Threads", threads)?;
        gauge("process_start_time_seconds", "When the process started", stat.and_then(started))?;
        let Some(stat) = stat else { return Ok(()) };
        let ticks = float(procfs::ticks_per_second());
        let cpu = ConstCounter::new(float(stat.utime + stat.stime) / ticks);
        let help = "Processor time used, by user and system together";
        cpu.encode(encoder.encode_descriptor("process_cpu_seconds", help, None, cpu.metric_type())?)
    }
}

fn started(stat: &procfs::process::Stat) -> Option<f64> {
    let boot = procfs::boot_time_secs().ok()?;
    Some(float(boot) + float(stat.starttime) / float(procfs::ticks_per_second()))
}

#[expect(clippy::cast_precision_loss, reason = "amounts of a process are far below 2^53")]
fn float(value: u64) -> f64 {
    value as f64
}
