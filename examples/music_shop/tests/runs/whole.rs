use showcase::place::{log, said};

use crate::SHOP;
use crate::file::File;

/// What every run on the CDNOW file says, whatever it runs on.
pub const FIGURES: [&str; 9] = [
    "in all       69,659 purchases, 23,570 customers, 167,881 CDs, 2,500,315.63 dollars\n",
    "1997-01-31   8,928 purchases, 7,846 customers, 19,416 CDs, 299,060.17 dollars\n",
    "1997-06-30   41,528 purchases, 23,570 customers, 94,801 CDs, 1,430,959.13 dollars\n",
    "1997-12-31   56,902 purchases, 23,570 customers, 134,945 CDs, 2,024,161.26 dollars\n",
    "  customer 07592  13,990.93 dollars\n  customer 14048   8,976.33 dollars\n",
    "  the end of 1997-01-31    0 purchases,      0.00 dollars\n",
    "  the end of 1998-06-30  217 purchases,  8,976.33 dollars\n",
    "  version 110            109 purchases,  ",
    "figures are as they should be\n",
];

pub fn assert_figures(said: &str) {
    for figures in FIGURES {
        assert!(said.contains(figures), "{figures:?} is not in\n{said}");
    }
}

#[tokio::test]
async fn in_memory_it_ends_in_the_published_figures() {
    let said = said(SHOP.alone().output().await.unwrap());
    assert_figures(&said);
    assert!(said.contains("imported: 93,229 events"), "{said}");
}

#[tokio::test]
async fn on_the_services_it_ends_in_the_published_figures() {
    SHOP.in_place(async |place| {
        let said = said(place.program().output().await.unwrap());
        assert_figures(&said);
        assert!(said.contains("  a search finds the same\n"), "{said}");
        assert_eq!(log(&place.store().await).await.len(), 93_229);
    })
    .await;
}

#[tokio::test]
async fn an_import_that_is_repeated_writes_nothing_and_ends_in_the_same_figures() {
    let file: String = include_str!("../../data/cdnow_master.txt").split_inclusive('\n').take(2_001).collect();
    let file = File::new(file);
    SHOP.in_place(async |place| {
        let run = async || said(place.program().arg("--input").arg(&file.0).output().await.unwrap());
        let (first, written) = (run().await, log(&place.store().await).await);
        let again = run().await;
        assert_eq!(log(&place.store().await).await, written);
        let purchased = written.iter().filter(|event| event.event_type.as_str() == "customer.purchased.v1").count();
        assert_eq!(purchased, 2_000);
        assert!(again.contains("of them were there before and were not written again\n"), "{again}");
        let figures = |said: &str| said.split("\n\n").skip(1).take(3).collect::<String>();
        assert!(first.contains("in all       2,000 purchases"), "{first}");
        assert_eq!(figures(&first), figures(&again));
    })
    .await;
}

#[tokio::test]
async fn documents_that_last_are_refused_without_events_that_last() {
    let output = SHOP.alone().env("REDIS_URL", "redis://127.0.0.1:1/").output().await.unwrap();
    assert!(!output.status.success());
    let expected = "error: documents that last need events that last: set DATABASE_URL as well\n";
    assert_eq!(String::from_utf8_lossy(&output.stderr), expected);
}
