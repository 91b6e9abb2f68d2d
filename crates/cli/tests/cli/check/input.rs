//! Tokens line by line, wrong command lines, and help.

use tower_bearer_test::Defect;

use super::{ISSUER, check, check_fixed, objects, token};
use crate::support::{run, stderr, stdout};

#[test]
fn lines_are_read_one_by_one() {
    let good = token().sign();
    let input = format!(
        "\nBearer {good}\n\n  {good}  \r\nopaque\nAuthorization: Bearer {good}\na\u{1b}[31mb\n{}\n",
        "y".repeat(3 << 20)
    );
    let output = check_fixed(&["--json"], &input);
    let told: Vec<_> = objects(&output)
        .iter()
        .map(|it| {
            (
                it["line"].as_u64().unwrap(),
                it["reason"].as_str().map(str::to_owned),
                it["notes"].as_array().unwrap().len(),
            )
        })
        .collect();
    let reason = |reason: &str| Some(reason.to_owned());
    assert_eq!(
        told,
        [
            (2, None, 0),
            (4, None, 0),
            (5, reason("opaque_token"), 0),
            (6, None, 0),
            (7, reason("token_illegal_characters"), 1),
            // It was cut, and proxies would stop it.
            (8, reason("token_too_large"), 2),
        ]
    );
    let summary =
        "6 tokens: 3 good, 3 refused (1 opaque_token, 1 token_illegal_characters, 1 token_too_large), 0 undecided\n";
    assert_eq!((output.status.code(), stderr(&output).as_str()), (Some(1), summary));
}

#[test]
fn many_lines_stream() {
    let (good, expired) = (token().sign(), token().sign_defective(Defect::Expired));
    let output = check_fixed(&["--json"], &format!("{good}\n{expired}\n").repeat(1_000));
    let objects = objects(&output);
    assert_eq!((objects.len(), output.status.code()), (2_000, Some(1)));
    assert!(objects.iter().zip(1_u64..).all(|(it, line)| it["line"] == line && it["accepted"] == (line % 2 == 1)));
    assert!(stderr(&output).starts_with("2000 tokens: 1000 good, 1000 refused (1000 expired)"));
}

#[test]
fn a_token_as_an_argument_warns() {
    let token = token().sign();
    let output = check_fixed(&["--token", &token], "");
    assert_eq!(output.status.code(), Some(0));
    assert!(stderr(&output).contains("history of your shell") && !stdout(&output).contains(&token));
}

#[test]
fn a_wrong_command_line_exits_2() {
    for (more, problem) in [
        (&["--at", "yesterday"][..], "RFC 3339"),
        (&["--leeway", "301"], "fix the clocks"),
        (&["--scope", "a b"], "scope"),
        (&["--algorithm", "HS256"], "there are RS256"),
        (&["--issuer", "https://other.example.com"], "`--jwks` and `--metadata-url` are for one issuer"),
    ] {
        let output = check_fixed(more, "opaque");
        assert_eq!((output.status.code(), stdout(&output)), (Some(2), String::new()), "{more:?}");
        assert!(stderr(&output).contains(problem), "{}", stderr(&output));
    }
    let empty = check_fixed(&[], "\n\n");
    assert_eq!(empty.status.code(), Some(2));
    assert!(stderr(&empty).contains("no token came"));
    assert_eq!(check(&["--issuer", ISSUER], "opaque").status.code(), Some(2));
}

#[test]
fn help_teaches_by_examples() {
    let help = stdout(&run(&["check", "--help"]));
    assert!(help.contains("pbpaste | tower-bearer check --config api.json"), "{help}");
    assert!(help.contains("3  a token could not be judged"), "{help}");
}
