//! A process that is killed while it spools.

use std::io::{BufRead, BufReader, Write as _};
use std::process::{Command, Stdio};

use rand::RngExt;

use super::*;

/// Where the child of the killing test spools; the test itself is its child, too.
const CHILD_FOLDER: &str = "AXP_EXPORTER_TEST_SPOOL";
/// The number of its first line.
const CHILD_NEXT: &str = "AXP_EXPORTER_TEST_SPOOL_NEXT";
/// How many lines it puts in at once.
const STEP: u64 = 10;

/// Killed a hundred times at any moment: what was put in is there, in order and whole, and
/// what was settled does not come again.
#[test]
fn nothing_is_lost_in_a_hundred_kills() {
    const NAME: &str = "sink::influx::spool::tests::kills::nothing_is_lost_in_a_hundred_kills";
    const KILLS: u32 = 100;
    if let Some(folder) = std::env::var_os(CHILD_FOLDER) {
        let next = std::env::var(CHILD_NEXT).unwrap().parse().unwrap();
        spool_until_killed(Path::new(&folder), next);
    }
    let folder = tempfile::tempdir().unwrap();
    let (mut put_in, mut settled) = (0, 0);
    for _ in 0..KILLS {
        let mut child = Command::new(std::env::current_exe().unwrap())
            .args([NAME, "--exact", "--nocapture"])
            .env(CHILD_FOLDER, folder.path())
            .env(CHILD_NEXT, (put_in + 1).to_string())
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .spawn()
            .unwrap();
        let said = BufReader::new(child.stdout.take().unwrap()).lines().map_while(Result::ok);
        let mut said = said.filter_map(|word| {
            let number: u64 = word.get(1..)?.parse().ok()?;
            word.starts_with(['+', '-']).then(|| (word.starts_with('+'), number))
        });
        let mut note = |(is_put_in, number)| *(if is_put_in { &mut put_in } else { &mut settled }) = number;
        // From its first word on it lives some steps more; what it says until it dies counts.
        said.by_ref().take(rand::rng().random_range(1..40)).for_each(&mut note);
        child.kill().unwrap();
        child.wait().unwrap();
        said.for_each(note);
        let mut spool = open_with(folder.path(), 64 * MIB);
        let stretches = spool.segments.iter_mut().map(|segment| segment.read(usize::MAX, 0).unwrap());
        let waiting: Vec<u64> = stretches
            .inspect(|stretch| assert_eq!(stretch.dropped, 0))
            .flat_map(
                |stretch| if stretch.lines.is_empty() { Vec::new() } else { numbers_of(&stretch.lines) },
            )
            .collect();
        assert!(waiting.windows(2).all(|pair| pair[0] + 1 == pair[1]), "without a gap");
        // One step may have been done and not said.
        let (first, last) =
            (waiting.first().copied().unwrap_or(put_in + 1), waiting.last().copied().unwrap_or(put_in));
        assert!(
            first == settled + 1 || first == settled + 1 + STEP,
            "{first} is first, {settled} were settled"
        );
        assert!(last == put_in || last == put_in + STEP, "{last} is last, {put_in} were put in");
        (put_in, settled) = (last, first - 1);
    }
    assert!(put_in > u64::from(KILLS) * STEP && settled > 0, "{put_in} put in, {settled} settled");
}

/// The child: puts lines in and says so, settles old ones three times out of four and says so.
fn spool_until_killed(folder: &Path, mut next: u64) -> ! {
    let mut spool = Spool::new(folder, 64 * MIB, HOUR, Losses::default());
    spool.open(1).unwrap();
    let say = |sign: char, number: u64| writeln!(std::io::stdout(), "\n{sign}{number}").unwrap();
    for step in 0.. {
        let lines: String = (next..next + STEP).map(line).collect();
        assert_eq!(append(&mut spool, &lines, 1), 0);
        next += STEP;
        say('+', next - 1);
        if step % 4 > 0 {
            let (found, _) = read(&mut spool, 1, 1);
            let found = found.unwrap();
            spool.settle(&found);
            say('-', *numbers_of(&found.lines).last().unwrap());
        }
        if step % 5 == 0 {
            spool.flush().unwrap();
        }
    }
    unreachable!("it is killed")
}
