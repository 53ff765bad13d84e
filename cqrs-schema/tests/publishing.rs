//! The registry that other systems read, in memory and in a directory.
#![allow(clippy::unwrap_used, clippy::panic, reason = "a test that fails is what it is for")]

use std::sync::Arc;

use cqrs_core::EventType;
use cqrs_schema::{
    Compatibility, InMemorySchemaRegistry, Lock, PublishedSchema, RegistryError, SchemaDirectory, SchemaRegistry,
    publish, publish_all,
};
use serde_json::{Value, json};

fn deposited() -> EventType {
    EventType::new("account.deposited.v1").unwrap()
}

fn schema(required: &[&str]) -> Value {
    let properties: serde_json::Map<_, _> =
        required.iter().map(|name| ((*name).to_owned(), json!({ "type": "integer" }))).collect();
    json!({ "type": "object", "properties": properties, "required": required })
}

async fn registries(test: impl AsyncFn(Arc<dyn SchemaRegistry>)) {
    test(Arc::new(InMemorySchemaRegistry::new())).await;
    let directory = tempfile::tempdir().unwrap();
    test(Arc::new(SchemaDirectory::new(directory.path().join("schemas")))).await;
}

#[tokio::test]
async fn nothing_is_published_at_first() {
    registries(async |registry| {
        assert_eq!(registry.event_types().await.unwrap(), []);
        assert_eq!(registry.revisions(&deposited()).await.unwrap(), []);
    })
    .await;
}

#[tokio::test]
async fn revisions_are_counted_and_the_same_schema_is_published_once() {
    registries(async |registry| {
        for (schema, revision) in [(schema(&["a"]), 1), (schema(&["a"]), 1), (schema(&[]), 2), (schema(&["a"]), 3)] {
            let published = publish(&*registry, &deposited(), &schema, Compatibility::None).await.unwrap();
            assert_eq!(published, PublishedSchema { event_type: deposited(), revision, schema });
        }
        let revisions = registry.revisions(&deposited()).await.unwrap();
        assert_eq!(revisions.iter().map(|schema| schema.revision).collect::<Vec<_>>(), [1, 2, 3]);
        assert_eq!(registry.event_types().await.unwrap(), [deposited()]);
    })
    .await;
}

#[tokio::test]
async fn a_schema_that_is_not_compatible_as_demanded_is_refused_and_changes_nothing() {
    registries(async |registry| {
        publish(&*registry, &deposited(), &schema(&["a"]), Compatibility::Full).await.unwrap();
        for (demanded, required, why) in [
            (Compatibility::Backward, &["a", "b"][..], "/b is required, and was not always written"),
            (Compatibility::Forward, &[][..], "/a is required, and was not always written"),
            (Compatibility::Full, &["a", "b"][..], "/b is required, and was not always written"),
        ] {
            let refused = publish(&*registry, &deposited(), &schema(required), demanded).await.unwrap_err();
            let expected = format!("account.deposited.v1 is not {demanded} compatible with revision 1: {why}");
            assert_eq!(refused.to_string(), expected);
        }
        assert_eq!(registry.revisions(&deposited()).await.unwrap().len(), 1);
        publish(&*registry, &deposited(), &schema(&["a", "b"]), Compatibility::Forward).await.unwrap();
        publish(&*registry, &deposited(), &schema(&["a"]), Compatibility::Backward).await.unwrap();
    })
    .await;
}

#[tokio::test]
async fn a_revision_is_taken_once_by_however_many() {
    registries(async |registry| {
        let add = |number: i64| {
            let registry = Arc::clone(&registry);
            let schema = PublishedSchema { event_type: deposited(), revision: 1, schema: json!({ "minimum": number }) };
            tokio::spawn(async move { registry.add(schema.clone()).await.unwrap().then_some(schema) })
        };
        let mut winners = Vec::new();
        for adding in (0..16).map(add).collect::<Vec<_>>() {
            winners.extend(adding.await.unwrap());
        }
        assert_eq!(winners, registry.revisions(&deposited()).await.unwrap());

        let publishing = (0..16).map(|number| {
            let registry = Arc::clone(&registry);
            let schema = json!({ "maximum": number });
            tokio::spawn(async move { publish(&*registry, &deposited(), &schema, Compatibility::None).await.unwrap() })
        });
        let mut revisions = Vec::new();
        for publishing in publishing.collect::<Vec<_>>() {
            revisions.push(publishing.await.unwrap().revision);
        }
        revisions.sort_unstable();
        assert_eq!(revisions, (2..=17).collect::<Vec<_>>(), "none is lost, none is doubled");
    })
    .await;
}

#[tokio::test]
async fn all_of_a_lock_is_published() {
    let lock = Lock::parse(include_str!("golden/schema.lock")).unwrap();
    registries(async |registry| {
        for _ in 0..2 {
            let published = publish_all(&*registry, &lock, Compatibility::Full).await.unwrap();
            assert_eq!(published.len(), 1);
            assert_eq!(
                (&published[0].schema, published[0].revision),
                (lock.schema("account.deposited.v1").unwrap(), 1)
            );
        }
    })
    .await;
}

#[tokio::test]
async fn a_directory_is_read_by_others_and_what_it_did_not_write_is_named() {
    let directory = tempfile::tempdir().unwrap();
    let registry = SchemaDirectory::new(directory.path());
    publish(&registry, &deposited(), &schema(&["a"]), Compatibility::Full).await.unwrap();
    let of = directory.path().join("account.deposited.v1");
    let text = std::fs::read_to_string(of.join("1.json")).unwrap();
    let expected = json!({ "eventType": "account.deposited.v1", "revision": 1, "schema": schema(&["a"]) });
    assert_eq!(serde_json::from_str::<Value>(&text).unwrap(), expected);
    assert_eq!(std::fs::read_dir(&of).unwrap().count(), 1, "nothing else is left behind");

    std::fs::write(of.join("README"), "by hand").unwrap();
    assert_eq!(registry.revisions(&deposited()).await.unwrap().len(), 1);
    for broken in [&text[..], "{"] {
        std::fs::write(of.join("2.json"), broken).unwrap();
        let error = registry.revisions(&deposited()).await.unwrap_err();
        assert!(matches!(&error, RegistryError::Corrupt { what, .. } if what.ends_with("2.json")), "{error:?}");
    }
}
