//! The contract of [`Publisher`]: one function per behaviour, each on a broker of its own.

use std::collections::HashSet;
use std::sync::Arc;

use async_trait::async_trait;
use cqrs_core::in_memory::InMemoryPublisher;
use cqrs_core::{Message, MessageKey, PublishError, Publisher, Topic};
use futures::future::join_all;

/// A publisher together with what its broker holds.
#[async_trait]
pub trait ObservedPublisher: Publisher {
    /// What the broker holds of a topic: the messages of one key in the order in which consumers get them.
    async fn received(&self, topic: &Topic) -> Vec<Message>;

    /// How many bytes of payload the broker takes at most.
    fn most_bytes(&self) -> usize;
}

#[async_trait]
impl ObservedPublisher for InMemoryPublisher {
    async fn received(&self, topic: &Topic) -> Vec<Message> {
        self.published().into_iter().filter(|message| message.topic == *topic).collect()
    }

    fn most_bytes(&self) -> usize {
        self.message_bytes()
    }
}

type Broker = Arc<dyn ObservedPublisher>;

fn topic(name: &str) -> Topic {
    Topic::new(name).expect("the suite names its topics well")
}

fn placed() -> Topic {
    topic("shop.order.placed")
}

fn about(key: &str, payload: impl Into<Vec<u8>>) -> Message {
    Message::new(placed(), payload.into()).with_key(MessageKey::new(key).expect("the suite names its keys well"))
}

async fn publish(broker: &Broker, messages: &[Message]) {
    let outcomes = broker.publish(messages).await;
    assert_eq!(outcomes.len(), messages.len(), "an outcome for each");
    for outcome in outcomes {
        outcome.expect("the broker takes it");
    }
}

/// Payloads of one key, in the order in which they arrived.
async fn arrived(broker: &Broker, key: &str) -> Vec<Vec<u8>> {
    let of_key = |message: &Message| message.key.as_ref().is_some_and(|of| of.as_str() == key);
    broker.received(&placed()).await.into_iter().filter(of_key).map(|message| message.payload.to_vec()).collect()
}

/// More than the broker takes.
fn too_large(broker: &Broker, key: &str) -> Message {
    about(key, vec![b'x'; broker.most_bytes() + 1])
}

pub async fn a_message_arrives_as_it_was_given(broker: Broker) {
    let bytes: Vec<u8> = (0..=255).collect();
    let message = about("order-42", bytes).header("type", "order.placed").header("note", "\u{e9}; a=\"b\"");
    publish(&broker, std::slice::from_ref(&message)).await;
    assert_eq!(broker.received(&message.topic).await, [message]);
}

pub async fn a_message_without_key_headers_and_payload_arrives_too(broker: Broker) {
    let message = Message::new(placed(), Vec::new());
    publish(&broker, std::slice::from_ref(&message)).await;
    assert_eq!(broker.received(&message.topic).await, [message]);
}

pub async fn a_call_without_messages_has_no_outcomes(broker: Broker) {
    assert!(broker.publish(&[]).await.is_empty());
}

pub async fn messages_of_one_key_arrive_in_order(broker: Broker) {
    let payload = |number: usize| format!("{number:04}").into_bytes();
    for call in 0..4 {
        let numbers = call * 100..(call + 1) * 100;
        let messages: Vec<_> = numbers.map(|number| about(&format!("order-{}", number % 3), payload(number))).collect();
        publish(&broker, &messages).await;
    }
    for key in 0..3 {
        let expected: Vec<_> = (key..400).step_by(3).map(payload).collect();
        assert_eq!(arrived(&broker, &format!("order-{key}")).await, expected);
    }
}

pub async fn topics_are_kept_apart(broker: Broker) {
    let confirmed = Message::new(topic("shop.order.confirmed"), "1");
    publish(&broker, &[about("order-1", "2"), confirmed.clone()]).await;
    assert_eq!(broker.received(&confirmed.topic).await, [confirmed]);
    assert_eq!(arrived(&broker, "order-1").await, [b"2"]);
}

pub async fn the_largest_message_arrives(broker: Broker) {
    publish(&broker, &[about("order-1", vec![b'x'; broker.most_bytes()])]).await;
    assert_eq!(arrived(&broker, "order-1").await.len(), 1);
}

pub async fn a_message_that_is_too_large_is_refused_for_good(broker: Broker) {
    let outcomes = broker.publish(&[too_large(&broker, "order-1")]).await;
    assert!(matches!(outcomes[..], [Err(PublishError::Permanent(_))]), "{outcomes:?}");
    assert!(arrived(&broker, "order-1").await.is_empty());
    publish(&broker, &[about("order-1", "later")]).await;
}

pub async fn after_a_message_that_was_refused_those_of_its_key_are_withheld(broker: Broker) {
    let mut confirmed = about("order-1", "4");
    confirmed.topic = topic("shop.order.confirmed");
    let messages = [about("order-1", "1"), too_large(&broker, "order-1"), about("order-1", "3"), confirmed.clone()];
    let outcomes = broker.publish(&messages).await;
    assert!(
        matches!(
            outcomes[..],
            [Ok(()), Err(PublishError::Permanent(_)), Err(PublishError::Withheld), Err(PublishError::Withheld)]
        ),
        "{outcomes:?}"
    );
    assert_eq!(arrived(&broker, "order-1").await, [b"1"]);
    assert!(broker.received(&confirmed.topic).await.is_empty(), "in no topic");
}

pub async fn a_message_that_was_refused_holds_up_no_other_key(broker: Broker) {
    let without_key = |payload: Vec<u8>| Message::new(placed(), payload);
    let messages = [
        too_large(&broker, "order-1"),
        without_key(vec![b'x'; broker.most_bytes() + 1]),
        about("order-2", "2"),
        without_key(b"3".to_vec()),
    ];
    let outcomes = broker.publish(&messages).await;
    assert!(
        matches!(outcomes[..], [Err(PublishError::Permanent(_)), Err(PublishError::Permanent(_)), Ok(()), Ok(())]),
        "{outcomes:?}"
    );
    let received: HashSet<_> = broker.received(&placed()).await.into_iter().map(|message| message.id).collect();
    assert_eq!(received, HashSet::from([messages[2].id, messages[3].id]));
}

pub async fn a_message_that_is_published_again_keeps_its_id(broker: Broker) {
    let message = about("order-1", "1");
    publish(&broker, std::slice::from_ref(&message)).await;
    publish(&broker, std::slice::from_ref(&message)).await;
    let received = broker.received(&message.topic).await;
    assert!((1..=2).contains(&received.len()), "the broker knows it, or its consumers do");
    assert!(received.iter().all(|one| *one == message));
}

pub async fn parallel_calls_all_arrive(broker: Broker) {
    let calls = (0..8).map(|caller| {
        let broker = broker.clone();
        tokio::spawn(async move {
            for number in 0..20 {
                publish(&broker, &[about(&format!("order-{caller}"), format!("{number:04}"))]).await;
            }
        })
    });
    for call in join_all(calls).await {
        call.expect("publishing does not panic");
    }
    for caller in 0..8 {
        let arrived = arrived(&broker, &format!("order-{caller}")).await;
        assert!(arrived.len() == 20 && arrived.is_sorted(), "order-{caller}: {arrived:?}");
    }
}
