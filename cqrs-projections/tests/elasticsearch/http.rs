//! Servers of our own: made up, or before the real one to do what it does in trouble.

use std::io::{BufRead, BufReader, Read, Write};
use std::net::{TcpListener, TcpStream};
use std::sync::Arc;

use serde_json::{Value, json};

/// What a client sent.
#[derive(Debug, Clone)]
pub struct Request {
    method: String,
    pub path: String,
    content_type: String,
    pub body: String,
}

/// What it is told.
#[derive(Debug, Clone)]
pub struct Answer {
    pub status: u16,
    pub body: String,
}

impl Answer {
    pub fn new(status: u16, body: impl Into<String>) -> Self {
        Self { status, body: body.into() }
    }
}

/// A server that answers each request with what `answer` makes of it.
pub fn serve(answer: impl Fn(&Request) -> Answer + Send + Sync + 'static) -> String {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let url = format!("http://{}", listener.local_addr().unwrap());
    let answer = Arc::new(answer);
    std::thread::spawn(move || {
        for stream in listener.incoming() {
            let (stream, answer) = (stream.unwrap(), Arc::clone(&answer));
            std::thread::spawn(move || {
                let (first, headers, body) = read(&stream);
                let mut first = first.split(' ');
                let (method, path) = (first.next().unwrap().to_owned(), first.next().unwrap().to_owned());
                let content_type = header(&headers, "content-type").unwrap_or_default();
                let Answer { status, body } = answer(&Request { method, path, content_type, body });
                let length = body.len();
                let head = format!(
                    "HTTP/1.1 {status} x\r\ncontent-type: application/json\r\ncontent-length: {length}\r\nconnection: close"
                );
                // The client may have gone meanwhile.
                let _ = write!(&stream, "{head}\r\n\r\n{body}");
            });
        }
    });
    url
}

impl Request {
    /// What the real server makes of it.
    pub fn pass(&self) -> Answer {
        let server = crate::place::url().trim_start_matches("http://").trim_end_matches('/').to_owned();
        let stream = TcpStream::connect(&server).unwrap();
        let Self { method, path, content_type, body } = self;
        let kind = if content_type.is_empty() { String::new() } else { format!("content-type: {content_type}\r\n") };
        let length = body.len();
        write!(
            &stream,
            "{method} {path} HTTP/1.1\r\nhost: {server}\r\n{kind}content-length: {length}\r\nconnection: close\r\n\r\n{body}"
        )
        .unwrap();
        let (first, _, body) = read(&stream);
        Answer { status: first.split(' ').nth(1).unwrap().parse().unwrap(), body }
    }

    /// Whether it writes documents, not checkpoints.
    pub fn is_bulk(&self) -> bool {
        self.path.contains(".write/_bulk")
    }

    /// The `_id`s of the documents that it writes.
    pub fn ids(&self) -> Vec<String> {
        let action =
            |line: &str| serde_json::from_str::<Value>(line).unwrap()["index"]["_id"].as_str().unwrap().to_owned();
        self.body.lines().step_by(2).map(action).collect()
    }

    /// What the real server makes of it, except for some documents, which are put off with these statuses.
    pub fn pass_except(&self, put_off: impl Fn(&str) -> Option<u16>) -> Answer {
        let lines: Vec<_> = self.body.split_inclusive('\n').collect();
        let refused: Vec<_> = self.ids().iter().map(|id| put_off(id)).collect();
        let kept = lines.chunks(2).zip(&refused).filter(|(_, refused)| refused.is_none());
        let body = kept.map(|(lines, _)| lines.concat()).collect::<String>();
        let mut items = Vec::new();
        if !body.is_empty() {
            let answer = Self { body, ..self.clone() }.pass();
            assert_eq!(answer.status, 200, "{}", answer.body);
            let Value::Array(written) = serde_json::from_str::<Value>(&answer.body).unwrap()["items"].take() else {
                panic!("{}", answer.body)
            };
            items = written;
        }
        let mut items = items.into_iter();
        let full = json!({ "type": "es_rejected_execution_exception", "reason": "the queue is full" });
        let all: Vec<_> = refused
            .into_iter()
            .map(|refused| match refused {
                Some(status) => json!({ "index": { "status": status, "error": full } }),
                None => items.next().unwrap(),
            })
            .collect();
        Answer::new(200, json!({ "items": all }).to_string())
    }
}

/// First line, headers and body.
fn read(stream: &TcpStream) -> (String, Vec<String>, String) {
    let mut reader = BufReader::new(stream.try_clone().unwrap());
    let mut lines = Vec::new();
    loop {
        let mut line = String::new();
        reader.read_line(&mut line).unwrap();
        match line.trim_end() {
            "" => break,
            line => lines.push(line.to_owned()),
        }
    }
    let mut body = Vec::new();
    match header(&lines, "content-length") {
        Some(length) => {
            body.resize(length.parse().unwrap(), 0);
            reader.read_exact(&mut body).unwrap();
        }
        None if header(&lines, "transfer-encoding").is_some() => loop {
            let mut size = String::new();
            reader.read_line(&mut size).unwrap();
            let mut chunk = vec![0; usize::from_str_radix(size.trim_end(), 16).unwrap() + 2];
            reader.read_exact(&mut chunk).unwrap();
            match chunk.len() {
                2 => break,
                length => body.extend(&chunk[..length - 2]),
            }
        },
        None => {}
    }
    let first = if lines.is_empty() { " ".to_owned() } else { lines.remove(0) };
    (first, lines, String::from_utf8(body).unwrap())
}

fn header(headers: &[String], name: &str) -> Option<String> {
    headers.iter().find_map(|line| {
        let (found, value) = line.split_once(':')?;
        found.eq_ignore_ascii_case(name).then(|| value.trim().to_owned())
    })
}
