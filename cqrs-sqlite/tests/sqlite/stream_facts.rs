//! What is known of streams, among processes.

use cqrs_core::{
    Append, AppendError, EventStore, ReadStream, StreamFactsChange, StreamFactsStore, StreamName, Version,
};

use super::file::{File, event};

#[tokio::test(flavor = "multi_thread")]
async fn what_another_process_says_of_a_stream_holds_here_at_once() {
    let file = File::new();
    let (here, there) = (file.store().await, file.store().await);
    let stream = StreamName::new("account-1").unwrap();
    here.append(Append::new(vec![event("account-1"), event("account-1")])).await.unwrap();
    for _ in 0..5 {
        there.archive(&stream).await.unwrap();
        let refused = here.append(Append::new(vec![event("account-1")])).await.unwrap_err();
        assert!(matches!(refused, AppendError::Archived { .. }), "{refused:?}");
        there.restore(&stream).await.unwrap();
        here.append(Append::new(vec![event("account-1")])).await.unwrap();
    }
    let before = StreamFactsChange::TruncateBefore(Version::new(7).unwrap());
    there.change_facts(&stream, before).await.unwrap();
    assert_eq!(here.read_stream(ReadStream::new(stream)).await.unwrap().events.len(), 1);
}
