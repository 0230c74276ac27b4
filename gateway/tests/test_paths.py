import pytest
from hypothesis import given
from hypothesis import strategies as st

from chassis.errors import Malformed, NotFound, ServiceError
from gateway.errors import URITooLong
from gateway.paths import MAX_LENGTH, parse_target

AMBIGUOUS = [
    *("//", "//evil.test/", "/products//1", "/./products", "/products/.", "/../etc", "/a/../b"),
    *("/%2e%2e/internal", "/%2E/a", "/.%2e/a", "/a%2fb", "/..%2finternal", "/a%5cb", "/a\\b"),
    *("/%252e%252e/", "/a%252fb", "/%25%32%65", "/a;b", "/a%3Bb", "/products;jsessionid=1"),
    *("/a%00", "/a%0d%0aX:1", "/a%0a", "/a%7f", "/a%c2%85", "/%c0%af", "/%c0%ae%c0%ae/", "/a%ff"),
    *("/a%", "/a%2", "/a%zz", "/a b", "/a%20", "/products.", "/products%2e", "/a./b", "/a<b>"),
    *("", "products", "*", "http://evil.test/products", "evil.test:443", "/é", "/a\x00", "/a\tb"),
    *("/products#fragment", "/products?a=1#b", "/products?a b", "/products?é", "/products?\x00"),
]


@pytest.mark.parametrize("raw", AMBIGUOUS)
def test_target_that_can_be_read_in_two_ways_is_refused(raw):
    with pytest.raises((Malformed, NotFound)):
        parse_target(raw)


@pytest.mark.parametrize(
    ("raw", "path", "target"),
    [
        ("/", "/", "/"),
        ("/products", "/products", "/products"),
        ("/%70roducts", "/products", "/products"),
        ("/greet/Zo%c3%ab", "/greet/Zo%C3%AB", "/greet/Zo%C3%AB"),
        ("/greet/J%C3%BCrgen%20W.%20M", "/greet/J%C3%BCrgen%20W.%20M", None),
        ("/greet/50%25", "/greet/50%25", None),
        ("/greet/a%3Fb%23c", "/greet/a%3Fb%23c", None),
        ("/.well-known/jwks.json", "/.well-known/jwks.json", None),
        ("/a/b?limit=5&q=%2e%2e%2f", "/a/b", "/a/b?limit=5&q=%2e%2e%2f"),
        ("/a?", "/a", "/a"),
    ],
)
def test_path_has_one_spelling_and_the_query_stays(raw, path, target):
    assert parse_target(raw) == (path, target or path)


@pytest.mark.parametrize("raw", ["/products/", "/a" * 200, "/a" * 33])
def test_trailing_slash_and_endless_paths_lead_nowhere(raw):
    with pytest.raises(NotFound):
        parse_target(raw)


def test_target_has_a_longest_length():
    parse_target("/" + "a" * (MAX_LENGTH - 1))
    with pytest.raises(URITooLong):
        parse_target("/" + "a" * MAX_LENGTH)


def test_query_has_a_largest_number_of_parameters():
    parse_target("/a?" + "&".join(["x=1"] * 100))
    with pytest.raises(Malformed):
        parse_target("/a?" + "&".join(["x=1"] * 101))


@given(st.text(st.sampled_from("/.%25;\\ae2f0é?~"), max_size=30).map(lambda text: f"/{text}"))
def test_what_was_normalised_is_normal(raw):
    try:
        path, target = parse_target(raw)
    except ServiceError:
        return

    assert parse_target(target) == (path, target)
    assert "//" not in path
    assert not {"", ".", ".."} & set(path.split("/")[1:]) or path == "/"
