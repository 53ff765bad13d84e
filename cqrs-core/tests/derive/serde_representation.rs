use cqrs_core::DomainEvent;
use serde::{Deserialize, Serialize};

#[derive(Serialize, Deserialize, DomainEvent)]
#[event(domain = "account")]
#[serde(tag = "type", content = "data")]
enum Tagged {
    Opened { owner: String },
}

#[derive(Serialize, Deserialize, DomainEvent)]
#[event(domain = "account")]
#[serde(untagged)]
enum Untagged {
    Opened { owner: String },
}

#[derive(Serialize, Deserialize, DomainEvent)]
#[event(domain = "account")]
#[serde(into = "Other", from = "Other")]
enum Converted {
    Opened { owner: String },
}

#[derive(Serialize, Deserialize, DomainEvent)]
#[event(domain = "account")]
#[serde(try_from = "Other")]
enum Tried {
    Opened { owner: String },
}

#[derive(Clone, Serialize, Deserialize)]
struct Other;

impl From<Converted> for Other {
    fn from(_: Converted) -> Self {
        Other
    }
}

impl From<Other> for Converted {
    fn from(_: Other) -> Self {
        Converted::Opened { owner: String::new() }
    }
}

impl Clone for Converted {
    fn clone(&self) -> Self {
        Converted::from(Other)
    }
}

impl TryFrom<Other> for Tried {
    type Error = String;
    fn try_from(_: Other) -> Result<Self, String> {
        Ok(Tried::Opened { owner: String::new() })
    }
}

enum Elsewhere {
    Opened { owner: String },
}

#[derive(Serialize, Deserialize, DomainEvent)]
#[event(domain = "account")]
#[serde(remote = "Elsewhere")]
enum Remote {
    Opened { owner: String },
}

fn main() {}
