//! The guide's page on testing: what it says to send is taken.

use std::fs;

use http::Method;
use serde_json::Value;

use crate::browser::user_builder;
use crate::support::{client, issue};

fn read(path: &str) -> String {
    fs::read_to_string(format!("{}/{path}", env!("CARGO_MANIFEST_DIR"))).unwrap()
}

#[tokio::test]
async fn requests_of_the_guide_are_taken() {
    let server = user_builder().admin().start().await.unwrap();
    // What the guide revokes.
    issue(&server).await;
    let mut sent = 0;
    for line in read("src/guide.md").lines().filter(|line| line.starts_with('|')) {
        let quoted: Vec<_> = line.split('`').skip(1).step_by(2).collect();
        let method_and_path = quoted.iter().find_map(|text| text.split_once(" /"));
        // Rows that say "the same" are of the row above, which is to the same path.
        let (method, path) = method_and_path.unwrap_or(("POST", "next-tokens"));
        let Some(json) = quoted.iter().find(|text| text.starts_with('{')) else {
            continue;
        };
        let json: Value = serde_json::from_str(json).unwrap_or_else(|error| panic!("{line}: {error}"));
        let url = format!("{}/{path}", server.admin_url().unwrap());
        let answer = client().request(method.parse::<Method>().unwrap(), url).json(&json).send().await.unwrap();
        assert!(answer.status().is_success(), "{line}: {}", answer.text().await.unwrap());
        sent += 1;
    }
    assert_eq!(sent, 12);
}

#[tokio::test]
async fn requests_of_the_templates_are_taken() {
    for template in ["docs/ci/github-actions.yml", "docs/ci/gitlab-ci.yml"] {
        let server = user_builder().admin().start().await.unwrap();
        let text = read(template).replace("\\\"", "\"");
        let mut sent = 0;
        for line in text.lines().filter(|line| line.contains("curl ")) {
            let path = line.split("\"$ADMIN").nth(1).unwrap().split('"').next().unwrap();
            let method = line.split("-X ").nth(1).map_or("GET", |rest| rest.split(' ').next().unwrap());
            let request = client().request(method.parse().unwrap(), format!("{}{path}", server.admin_url().unwrap()));
            let body = line.find('{').map(|start| &line[start..=line.rfind('}').unwrap()]);
            let request = match body {
                Some(body) => request.json(&serde_json::from_str::<Value>(body).unwrap()),
                None => request,
            };
            let answer = request.send().await.unwrap();
            assert!(answer.status().is_success(), "{template}: {line}");
            sent += 1;
        }
        assert_eq!(sent, 6, "{template}");
    }
}
