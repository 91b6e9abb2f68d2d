//! What a tonic client sees of a refusal by the layer. The guide has this table; each code is asserted for unary and for
//! streaming calls.

#![allow(clippy::unwrap_used, clippy::panic, reason = "a test ends where something unexpected happens")]

use std::net::SocketAddr;

use tonic::metadata::MetadataValue;
use tonic::service::interceptor::InterceptedService;
use tonic::transport::{Channel, Endpoint, Server};
use tonic::{Code, Request, Status};
use tonic_health::pb::HealthCheckRequest;
use tonic_health::pb::health_client::HealthClient;
use tonic_health::pb::health_server::{Health, HealthServer};
use tonic_health::server::HealthService;
use tower_bearer::{
    FetchedKeySet, Issuer, KeySetError, KeySource, KeySourceFuture, RefusalBody, RequireScopes, ResourceServer,
    ResourceServerBuilder, StatusPolicy, ValidatedToken,
};
use tower_bearer_test::{Defect, TestIssuer, TokenBuilder};

const AUDIENCE: &str = "https://leads.example.com";

fn builder() -> ResourceServerBuilder {
    ResourceServer::builder().audience(AUDIENCE)
}

/// What the guide says to set.
fn for_grpc(builder: ResourceServerBuilder) -> ResourceServer {
    builder.status_policy(StatusPolicy::rfc6750()).refusal_body(RefusalBody::Empty).build().unwrap()
}

fn token(issuer: &TestIssuer) -> TokenBuilder {
    issuer.token().audience(AUDIENCE).scope("read:leads")
}

/// The health service of tonic, behind the layer and behind one that asks for a scope.
async fn serve(api: &ResourceServer, scope: &'static str) -> SocketAddr {
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let service = HealthServer::new(HealthService::from_health_reporter(tonic_health::server::HealthReporter::new()));
    let server =
        Server::builder().layer(api.layer()).layer(RequireScopes::try_all([scope]).unwrap()).add_service(service);
    let incoming = tonic::transport::server::TcpIncoming::from(listener);
    tokio::spawn(server.serve_with_incoming(incoming));
    address
}

type Client<F> = HealthClient<InterceptedService<Channel, F>>;

/// A client that sends these `authorization` fields.
async fn client(
    address: SocketAddr,
    authorization: Vec<String>,
) -> Client<impl FnMut(Request<()>) -> Result<Request<()>, Status> + Clone> {
    let channel = Endpoint::new(format!("http://{address}")).unwrap().connect().await.unwrap();
    HealthClient::with_interceptor(channel, move |mut request: Request<()>| {
        for value in &authorization {
            request.metadata_mut().append("authorization", MetadataValue::try_from(value).unwrap());
        }
        Ok(request)
    })
}

/// The code of a unary call, which must be that of a streaming one.
async fn code(address: SocketAddr, authorization: Vec<String>) -> Code {
    let mut client = client(address, authorization).await;
    let unary = client.check(HealthCheckRequest::default()).await.map_or_else(|status| status.code(), |_| Code::Ok);
    let streaming = match client.watch(HealthCheckRequest::default()).await {
        Ok(mut stream) => stream.get_mut().message().await.map_or_else(|status| status.code(), |_| Code::Ok),
        Err(status) => status.code(),
    };
    assert_eq!(unary, streaming);
    unary
}

fn bearer(token: impl Into<String>) -> Vec<String> {
    vec![format!("Bearer {}", token.into())]
}

#[tokio::test]
async fn each_refusal_has_the_code_that_the_guide_says() {
    let issuer = TestIssuer::new("https://as.example.com").unwrap();
    let api = for_grpc(builder().issuer(issuer.trusted()));
    let address = serve(&api, "read:leads").await;
    assert_eq!(code(address, bearer(token(&issuer).sign())).await, Code::Ok);
    assert_eq!(code(address, vec![]).await, Code::Unauthenticated);
    assert_eq!(code(address, bearer("opaque")).await, Code::Unauthenticated);
    for defect in Defect::ALL {
        assert_eq!(
            code(address, bearer(token(&issuer).sign_defective(*defect))).await,
            Code::Unauthenticated,
            "{defect:?}"
        );
    }
    assert_eq!(code(address, bearer(token(&issuer).scope("other").sign())).await, Code::PermissionDenied);
    assert_eq!(code(address, bearer("")).await, Code::Internal);
    assert_eq!(
        code(address, [bearer(token(&issuer).sign()), bearer(token(&issuer).sign())].concat()).await,
        Code::Internal
    );
}

#[tokio::test]
async fn keys_that_cannot_be_fetched_are_unavailable() {
    #[derive(Debug)]
    struct NoKeys;
    impl KeySource for NoKeys {
        fn fetch<'a>(&'a self, _: Option<&'a str>) -> KeySourceFuture<'a> {
            Box::pin(async {
                Err::<FetchedKeySet, _>(KeySetError::source_failed(std::io::Error::other("out of order")))
            })
        }
    }
    let issuer = TestIssuer::new("https://as.example.com").unwrap();
    let api = for_grpc(builder().issuer(Issuer::new("https://as.example.com").key_source(NoKeys)));
    let address = serve(&api, "read:leads").await;
    assert_eq!(code(address, bearer(token(&issuer).sign())).await, Code::Unavailable);
}

#[tokio::test]
async fn a_misconfigured_service_is_internal() {
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let service = HealthServer::new(HealthService::from_health_reporter(tonic_health::server::HealthReporter::new()));
    // No bearer layer.
    let server = Server::builder().layer(RequireScopes::all(["read:leads"])).add_service(service);
    tokio::spawn(server.serve_with_incoming(tonic::transport::server::TcpIncoming::from(listener)));
    assert_eq!(code(address, vec![]).await, Code::Internal);
}

/// Why the guide says to leave the body empty: the `{` of the JSON is read as a compression flag.
#[tokio::test]
async fn with_a_json_body_every_refusal_is_internal() {
    let issuer = TestIssuer::new("https://as.example.com").unwrap();
    let api = builder().issuer(issuer.trusted()).status_policy(StatusPolicy::rfc6750()).build().unwrap();
    let mut client =
        client(serve(&api, "read:leads").await, bearer(token(&issuer).sign_defective(Defect::Expired))).await;
    let status = client.check(HealthCheckRequest::default()).await.unwrap_err();
    assert_eq!(status.code(), Code::Internal);
    assert!(status.message().contains("compression flag: 123"), "{status}");
}

/// The client chooses the content type, so nothing may depend on it.
#[tokio::test]
async fn the_content_type_changes_nothing() {
    let issuer = TestIssuer::new("https://as.example.com").unwrap();
    let api = builder().issuer(issuer.trusted()).build().unwrap();
    let app = axum::Router::new().route("/leads", axum::routing::post(async || "leads")).route_layer(api.layer());
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("http://{}/leads", listener.local_addr().unwrap());
    tokio::spawn(async move { axum::serve(listener, app).await.unwrap() });
    let http = reqwest::Client::builder().no_proxy().build().unwrap();
    let mut answers = Vec::new();
    for content_type in ["application/json", "application/grpc", "application/grpc+proto", "application/grpc-web"] {
        let response = http.post(&url).header("content-type", content_type).send().await.unwrap();
        let mut headers = response.headers().clone();
        headers.remove("date");
        answers.push((response.status(), headers, response.text().await.unwrap()));
    }
    assert_eq!(answers[0].0, 400);
    assert!(answers.iter().all(|answer| *answer == answers[0]), "{answers:?}");
}

/// A handler finds the token in the extensions of tonic's request.
#[tokio::test]
async fn handlers_find_the_token() {
    struct Asks;
    #[tonic::async_trait]
    impl Health for Asks {
        async fn check(
            &self,
            request: Request<HealthCheckRequest>,
        ) -> Result<tonic::Response<tonic_health::pb::HealthCheckResponse>, Status> {
            let token = request.extensions().get::<ValidatedToken>().unwrap();
            Err(Status::aborted(token.subject().unwrap_or_default().to_owned()))
        }

        type WatchStream = <HealthService as Health>::WatchStream;

        async fn watch(&self, _: Request<HealthCheckRequest>) -> Result<tonic::Response<Self::WatchStream>, Status> {
            Err(Status::unimplemented(""))
        }
    }
    let issuer = TestIssuer::new("https://as.example.com").unwrap();
    let api = for_grpc(builder().issuer(issuer.trusted()));
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let server = Server::builder().layer(api.layer()).add_service(HealthServer::new(Asks));
    tokio::spawn(server.serve_with_incoming(tonic::transport::server::TcpIncoming::from(listener)));
    let mut client = client(address, bearer(token(&issuer).subject("alice").sign())).await;
    let status = client.check(HealthCheckRequest::default()).await.unwrap_err();
    assert_eq!((status.code(), status.message()), (Code::Aborted, "alice"));
}
