//! What a person sees: colour only on a terminal that wants it, and progress only on one.

use std::io::{self, IsTerminal, Write};

use anstyle::{AnsiColor, Style};
use clap::builder::Styles;
use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};

use crate::outcome::Failure;

/// Of what is bad.
pub(crate) const BAD: Style = AnsiColor::Red.on_default().bold();
/// Of a heading.
pub(crate) const HEADING: Style = Style::new().bold();

/// Of `--help`.
pub(crate) const STYLES: Styles = Styles::styled()
    .header(HEADING)
    .usage(HEADING)
    .literal(AnsiColor::Cyan.on_default())
    .placeholder(AnsiColor::Green.on_default())
    .error(BAD);

/// Says on standard error why a command was not carried out.
pub(crate) fn print_failure(failure: &Failure) {
    // Nothing can be done where standard error is closed.
    let _ = writeln!(anstream::stderr(), "{BAD}error:{BAD:#} {failure}");
}

/// Says on standard error what nobody should overlook.
pub(crate) fn print_warning(warning: &str) {
    let _ = writeln!(anstream::stderr(), "{BAD}{warning}{BAD:#}");
}

/// Writes to standard output. Styles are left out unless a terminal shows them (`NO_COLOR` is honoured). A reader that
/// has gone away, as `| head` does, is not an error.
pub(crate) fn write_stdout(bytes: &[u8]) -> io::Result<()> {
    let mut stdout = anstream::stdout().lock();
    match stdout.write_all(bytes).and_then(|()| stdout.flush()) {
        Err(error) if error.kind() == io::ErrorKind::BrokenPipe => Ok(()),
        written => written,
    }
}

/// A bar on standard error, hidden when `quiet` or where no terminal is.
///
/// `template` is one of indicatif's.
pub(crate) fn progress(steps: u64, template: &'static str, quiet: bool) -> ProgressBar {
    let hidden = quiet || !io::stderr().is_terminal();
    let target = if hidden { ProgressDrawTarget::hidden() } else { ProgressDrawTarget::stderr() };
    let bar = ProgressBar::with_draw_target(Some(steps), target);
    // The templates are constants; with a wrong one the bar looks plain.
    if let Ok(style) = ProgressStyle::with_template(template) {
        bar.set_style(style.progress_chars("━━─"));
    }
    bar
}
