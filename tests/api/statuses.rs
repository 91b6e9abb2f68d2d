//! smoke
use crate::support::*;
use tower_bearer::test_util::Defect;

#[tokio::test]
async fn smoke() {
    let server = server();
    let api = Api::start(&server).await;
    let ok = api.get_with(&token().sign()).await;
    assert_eq!(ok.status(), 200, "{:?}", reason(&server, &token().sign()).await);
    for defect in Defect::ALL {
        let bad = token().sign_defective(*defect);
        let response = api.get_with(&bad).await;
        println!("{} {} {} {}", defect.name(), response.status(), challenge(&response), reason(&server, &bad).await);
    }
    assert_eq!(api.runs(), 1);
}
