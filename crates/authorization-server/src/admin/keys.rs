//! Keys: which there are, and their changes.

use std::time::Duration;

use axum::Json;
use axum::extract::rejection::PathRejection;
use axum::extract::{Path, State};
use serde::Deserialize;
use serde_json::{Value, json};
use tower_bearer_test::{SigningKey, TestIssuer};

use super::AdminState;
use super::json_body::JsonBody;
use super::refusal::AdminRefusal;

/// With so many keys published there is no rotation with overlap, which would leave more there each time.
const MAX_KEYS: usize = 1_000;

/// `GET /keys`
pub(super) async fn show(State(state): State<AdminState>) -> Json<Value> {
    Json(list(&state.server.issuer))
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Rotation {
    #[serde(default)]
    overlap_s: u64,
}

/// `POST /keys/rotate`
pub(super) async fn rotate(
    State(state): State<AdminState>,
    JsonBody(Rotation { overlap_s }): JsonBody<Rotation>,
) -> Result<Json<Value>, AdminRefusal> {
    change(state, move |issuer| {
        if overlap_s > 0 && issuer.published_keys().len() >= MAX_KEYS {
            return Err(AdminRefusal::too_many_keys(MAX_KEYS));
        }
        Ok(issuer.rotate_keys_with_overlap(Duration::from_secs(overlap_s))?)
    })
    .await
}

/// `POST /keys/next`
pub(super) async fn publish_next(State(state): State<AdminState>) -> Result<Json<Value>, AdminRefusal> {
    change(state, |issuer| Ok(issuer.publish_next_key().map(drop)?)).await
}

/// `DELETE /keys/{kid}`
pub(super) async fn withdraw(
    State(state): State<AdminState>,
    kid: Result<Path<String>, PathRejection>,
) -> Result<Json<Value>, AdminRefusal> {
    let Path(kid) = kid.map_err(|_| AdminRefusal::no_such_path())?;
    change(state, move |issuer| Ok(issuer.withdraw_key(&kid)?)).await
}

/// `POST /keys/{kid}/replace`
pub(super) async fn replace(
    State(state): State<AdminState>,
    kid: Result<Path<String>, PathRejection>,
) -> Result<Json<Value>, AdminRefusal> {
    let Path(kid) = kid.map_err(|_| AdminRefusal::no_such_path())?;
    change(state, move |issuer| Ok(issuer.replace_key_material(&kid)?)).await
}

/// Changes the keys where it may take as long as making a key does, and shows them.
async fn change(
    state: AdminState,
    change: impl FnOnce(&TestIssuer) -> Result<(), AdminRefusal> + Send + 'static,
) -> Result<Json<Value>, AdminRefusal> {
    let changed = tokio::task::spawn_blocking(move || {
        let issuer = &state.server.issuer;
        change(issuer)?;
        Ok(Json(list(issuer)))
    });
    changed.await.map_err(AdminRefusal::failed)?
}

fn list(issuer: &TestIssuer) -> Value {
    let (signing, published) = (issuer.signing_key(), issuer.published_keys());
    let withdrawn = (!published.iter().any(|key| key.is_same_as(&signing))).then_some(&signing);
    let show = |key: &SigningKey, is_published: bool| {
        let signs = key.is_same_as(&signing);
        json!({ "kid": key.key_id(), "alg": key.algorithm().name(), "signs": signs, "published": is_published })
    };
    let keys = withdrawn.into_iter().map(|key| show(key, false));
    json!({ "keys": keys.chain(published.iter().map(|key| show(key, true))).collect::<Vec<_>>() })
}
