//! `axp-exporter explain`: what each stage makes of an event, and why.
//!
//! The event goes through the pipeline that `run` would have for it, from the same configuration,
//! and through nothing else: what is shown was asked of the stages, none of it worked out anew. It
//! works offline, so AXP's dictionary is not asked; where that could decide otherwise, it says so.
//!
//! Of several events in one file each is explained by itself, as if it were the first to come.

mod explanation;
mod input;
mod measure;
mod paint;
mod text;

use std::fs::File;
use std::io::{self, Read, Write};
use std::path::{Path, PathBuf};

use anstream::{AutoStream, ColorChoice};
use clap::Args;

use self::explanation::Explanation;
use self::paint::Paint;
use crate::command::kit::Kit;
use crate::command::{Exit, complain, stdout};
use crate::pipeline::Moment;

/// The longest input: as long as the longest event that `limits.frame_bytes` can let in.
const INPUT_BYTES_MAX: u64 = 256 << 20;
/// What stands for stdin.
const STDIN: &str = "-";

/// Options of the command.
#[derive(Debug, Args)]
pub struct ExplainArgs {
    /// The configuration file; else /etc/axp-exporter/config.toml, or where that is missing the
    /// defaults. It needs no account
    #[arg(short, long, value_name = "FILE")]
    config: Option<PathBuf>,
    /// Write JSON, with the same keys for every event
    #[arg(long)]
    json: bool,
    /// The event as AXP sends it, or several; "-" is stdin
    #[arg(value_name = "EVENT.json")]
    event: PathBuf,
}

/// Explains the events of the file that is named.
pub(super) fn execute(args: &ExplainArgs) -> Exit {
    let kit = match Kit::load(args.config.as_deref()) {
        Ok(kit) => kit,
        Err(exit) => return exit,
    };
    let (name, bytes) = match read(&args.event) {
        Ok(input) => input,
        Err(problem) => {
            complain(problem);
            return Exit::Data;
        }
    };
    let paint = Paint::new(AutoStream::choice(&io::stdout()) != ColorChoice::Never);
    let mut exit = Exit::Success;
    for (index, event) in input::events(&bytes).enumerate() {
        let explained = event.and_then(|(at, frame)| {
            Explanation::of(&kit.anew(), frame, Moment::now()).map_err(|problem| format!("{at}: {problem}"))
        });
        let written = match explained {
            Err(problem) => {
                complain(format_args!("{name}, {problem}"));
                exit = Exit::Data;
                continue;
            }
            Ok(explanation) => write(&explanation, args.json, index > 0, paint),
        };
        if let Err(err) = written {
            let failed = stdout::failed("explain", &err);
            return if failed == Exit::Success { exit } else { failed };
        }
    }
    exit
}

/// What the input is called, and all that is in it.
fn read(path: &Path) -> Result<(String, Vec<u8>), String> {
    let is_stdin = path == Path::new(STDIN);
    let name = if is_stdin { "stdin".to_owned() } else { path.display().to_string() };
    let failed = |err: io::Error| format!("failed to read {name}: {err}");
    let mut bytes = Vec::new();
    if is_stdin {
        io::stdin().take(INPUT_BYTES_MAX + 1).read_to_end(&mut bytes).map_err(failed)?;
    } else {
        let file = File::open(path).map_err(failed)?;
        file.take(INPUT_BYTES_MAX + 1).read_to_end(&mut bytes).map_err(failed)?;
    }
    if bytes.len() as u64 > INPUT_BYTES_MAX {
        return Err(format!("{name} is longer than {} MiB", INPUT_BYTES_MAX >> 20));
    }
    Ok((name, bytes))
}

fn write(explanation: &Explanation, json: bool, apart: bool, paint: Paint) -> io::Result<()> {
    let mut text = String::new();
    if json {
        text.push_str(&serde_json::to_string_pretty(explanation)?);
        text.push('\n');
    } else {
        if apart {
            text.push('\n');
        }
        text::render(explanation, paint, &mut text);
    }
    let mut stdout = io::stdout();
    stdout.write_all(text.as_bytes()).and_then(|()| stdout.flush())
}
