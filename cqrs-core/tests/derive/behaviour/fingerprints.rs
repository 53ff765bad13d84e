//! A fingerprint stands for one definition of events.

use cqrs_core::DomainEvent;

/// The same events under several definitions.
macro_rules! definition {
    ($name:ident { $($body:tt)* }) => {
        pub mod $name {
            use cqrs_core::DomainEvent;
            use serde::{Deserialize, Serialize};

            #[derive(Serialize, Deserialize, DomainEvent)]
            #[event(domain = "account")]
            pub enum Event { $($body)* }
        }
    };
}

definition!(base { Opened { owner: String, age: Option<u8> }, Closed });
definition!(laid_out_otherwise {
    /// An account was opened.
    Opened {
        /// Whose it is.
        owner: String,
        age: Option < u8 >,
    },
    // and closed
    Closed,
});
definition!(other_field { Opened { holder: String, age: Option<u8> }, Closed });
definition!(other_field_type { Opened { owner: String, age: Option<u16> }, Closed });
definition!(other_serde { Opened { #[serde(rename = "o")] owner: String, age: Option<u8> }, Closed });
definition!(other_name { Opened { owner: String, age: Option<u8> }, #[event(name = "ended")] Closed });
definition!(other_version { #[event(version = 2)] Opened { owner: String, age: Option<u8> }, Closed });
definition!(other_shape { Opened { owner: String, age: Option<u8> }, Closed {} });
definition!(field_moved { Opened { owner: String }, Closed { age: Option<u8> } });
definition!(one_more { Opened { owner: String, age: Option<u8> }, Closed, Renamed });
definition!(upcast { #[event(version = 2, upcast_from(1 = Ok))] Opened { owner: String, age: Option<u8> }, Closed });
definition!(renamed { #[event(renamed_from("account.made"))] Opened { owner: String, age: Option<u8> }, Closed });
definition!(restarting { Opened { owner: String, age: Option<u8> }, #[event(restarts)] Closed });

/// The events of `base`, and others that are read as them.
macro_rules! gone {
    ($name:ident { $($list:tt)* }) => {
        pub mod $name {
            use cqrs_core::DomainEvent;
            use serde::{Deserialize, Serialize};

            #[derive(Serialize, Deserialize, DomainEvent)]
            #[event(domain = "account", $($list)*)]
            pub enum Event { Opened { owner: String, age: Option<u8> }, Closed }
        }
    };
}

gone!(retired { retired("account.moved.v1" = super::none) });
gone!(retired_otherwise { retired("account.moved.v1" = super::super::fingerprints::none) });
gone!(dropped { dropped("account.moved.v1") });

fn none(_: serde_json::Value) -> Result<Vec<cqrs_core::Upcasted>, cqrs_core::UpcastError> {
    Ok(Vec::new())
}

#[test]
fn the_fingerprint_changes_with_the_definition_and_with_nothing_else() {
    assert_eq!(base::Event::FINGERPRINT, laid_out_otherwise::Event::FINGERPRINT);
    let mut all = vec![
        base::Event::FINGERPRINT,
        other_field::Event::FINGERPRINT,
        other_field_type::Event::FINGERPRINT,
        other_serde::Event::FINGERPRINT,
        other_name::Event::FINGERPRINT,
        other_version::Event::FINGERPRINT,
        other_shape::Event::FINGERPRINT,
        field_moved::Event::FINGERPRINT,
        one_more::Event::FINGERPRINT,
        upcast::Event::FINGERPRINT,
        renamed::Event::FINGERPRINT,
        restarting::Event::FINGERPRINT,
        retired::Event::FINGERPRINT,
        retired_otherwise::Event::FINGERPRINT,
        dropped::Event::FINGERPRINT,
    ];
    let count = all.len();
    all.sort_unstable();
    all.dedup();
    assert_eq!(all.len(), count);
}

#[test]
fn the_fingerprint_stays_the_same_from_build_to_build() {
    assert_eq!(base::Event::FINGERPRINT, 2_198_782_329_176_621_926);
}
