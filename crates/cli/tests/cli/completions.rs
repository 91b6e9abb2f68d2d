//! Help and completions.

use crate::support::*;

#[test]
fn help_says_what_the_exit_codes_mean() {
    let help = run(&["--help"]);
    assert_eq!(help.status.code(), Some(0));
    for line in
        ["0    all is as it should be", "1    the answer is no", "2    the command line", "130  ended by Ctrl-C"]
    {
        assert!(stdout(&help).contains(line), "{line}");
    }
}

#[test]
fn completions_are_for_each_shell() {
    for shell in ["bash", "elvish", "fish", "powershell", "zsh"] {
        let script = run(&["completions", shell]);
        assert_eq!(script.status.code(), Some(0), "{shell}");
        assert!(stdout(&script).contains("tower-bearer"), "{shell}");
    }
}

#[test]
fn a_wrong_command_line_exits_2_and_is_not_coloured_in_a_pipe() {
    for wrong in [&["no-such-command"][..], &["completions", "no-such-shell"], &[]] {
        let refused = run(wrong);
        assert_eq!(refused.status.code(), Some(2), "{wrong:?}");
        assert!(!stderr(&refused).contains('\u{1b}'), "{wrong:?}");
    }
}
