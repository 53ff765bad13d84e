use showcase::place::said;

use crate::directory::Directory;

#[tokio::test]
async fn malformed_lines_are_shown_and_the_good_ones_go_in() {
    let directory = Directory::new();
    let mut program = directory.program_with(
        b" customer_id  date number_of_cds  dollar_value\r\n\
          00001 19970101  1   11.77\r\n\
          00001 19970230  1   11.77\r\n\
          00001 19970102  1\r\n\
          \xff\xfe\r\n\
          00001 19970102  0   5.00\r\n\
          00002 19970103  2   7\r\n\
          00002 19970103  2   7.00\r\n\
          00002 19970103  2   7.00",
    );
    let said = said(program.output().await.unwrap());
    for expected in [
        ".txt: 4 purchases, 4 malformed lines\n",
        "  line 3: \"19970230\" is no day (YYYYMMDD)\n",
        "  line 4: it has 3 columns instead of 4\n",
        "  line 5: it is no text in UTF-8\n",
        "  line 7: \"7\" is no amount in dollars with two decimals\n",
        "  line 6 was refused: a purchase has at least one CD\n",
        "in all       3 purchases, 2 customers, 5 CDs, 25.77 dollars\n",
        "figures are as they should be\n",
    ] {
        assert!(said.contains(expected), "{expected:?} is not in\n{said}");
    }
}

#[tokio::test]
async fn of_many_malformed_lines_the_first_ten_are_shown() {
    let directory = Directory::new();
    let mut program = directory.program_with("nonsense\n".repeat(1_234));
    let said = said(program.output().await.unwrap());
    assert!(said.contains(": 0 purchases, 1,234 malformed lines\n"), "{said}");
    assert!(said.contains("  line 10: it has 1 columns instead of 4\n  and 1,224 more\n"), "{said}");
}

#[tokio::test]
async fn a_file_that_cannot_be_read_is_named() {
    let output = Directory::new().program().args(["--input", "missing/purchases.txt"]).output().await.unwrap();
    assert!(!output.status.success());
    let error = String::from_utf8_lossy(&output.stderr);
    assert!(error.starts_with("error: missing/purchases.txt: "), "{error}");
}
