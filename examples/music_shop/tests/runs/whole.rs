use showcase::place::{log, said};

use crate::SHOP;
use crate::directory::Directory;

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

/// What is told of the figures, without the times that it took.
fn figures(said: &str) -> String {
    said.split("\n\n").skip(1).take(3).collect()
}

#[tokio::test]
async fn without_settings_it_ends_in_the_published_figures_and_a_second_run_imports_nothing() {
    let directory = Directory::new();
    let first = said(directory.program().output().await.unwrap());
    assert_figures(&first);
    assert!(first.contains("\nimported: 93,229 events in "), "{first}");
    assert_eq!(directory.names(), ["music-shop.sqlite"]);
    let written = directory.log("music-shop.sqlite").await;

    let second = said(directory.program().output().await.unwrap());
    assert!(second.contains("\nnothing to import: all 93,229 events are there\n"), "{second}");
    assert_figures(&second);
    assert_eq!(figures(&first), figures(&second));
    assert_eq!(directory.log("music-shop.sqlite").await, written);
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
async fn on_the_services_a_second_run_imports_nothing_and_ends_in_the_same_figures() {
    let history: String = include_str!("../../data/cdnow_master.txt").split_inclusive('\n').take(2_001).collect();
    let directory = Directory::new();
    directory.write("purchases.txt", history);
    SHOP.in_place(async |place| {
        let run =
            async || said(place.program().arg("--input").arg(directory.path("purchases.txt")).output().await.unwrap());
        let (first, written) = (run().await, log(&place.store().await).await);
        let again = run().await;
        assert_eq!(log(&place.store().await).await, written);
        let purchased = written.iter().filter(|event| event.event_type.as_str() == "customer.purchased.v1").count();
        assert_eq!(purchased, 2_000);
        assert!(again.contains("\nnothing to import: all "), "{again}");
        assert!(first.contains("in all       2,000 purchases"), "{first}");
        assert_eq!(figures(&first), figures(&again));
    })
    .await;
}
