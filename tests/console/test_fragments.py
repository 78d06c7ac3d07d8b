"""Only what differs is sent."""

from gateway.console.fragments import Fragment, differing, leaf, whole


def card(ident: str, bells: str, actions: str = "press") -> Fragment:
    parts = [leaf(f"bells-{ident}", f"<p id=bells-{ident}>{bells}</p>"), leaf(f"actions-{ident}", f"<p id=actions-{ident}>{actions}</p>")]
    return whole(f"card-{ident}", f"<article id=card-{ident}>", parts, "</article>")


def page(*cards: Fragment) -> Fragment:
    return whole("page", "<main id=page>", cards, "</main>")


def test_the_same_page_sends_nothing() -> None:
    assert differing(page(card("a", "1 of 12")), page(card("a", "1 of 12"))) == []


def test_one_changed_piece_is_sent_alone() -> None:
    sent = differing(page(card("a", "1 of 12"), card("b", "0")), page(card("a", "2 of 12"), card("b", "0")))
    assert [piece.html for piece in sent] == ["<p id=bells-a>2 of 12</p>"]


def test_a_new_card_sends_the_list_and_not_its_pieces_again() -> None:
    assert [piece.id for piece in differing(page(card("a", "1")), page(card("b", "0"), card("a", "2")))] == ["page"]


def test_another_order_sends_the_list() -> None:
    a, b = card("a", "1"), card("b", "2")
    assert [piece.id for piece in differing(page(a, b), page(b, a))] == ["page"]


def test_the_pieces_sent_make_the_new_page() -> None:
    old, new = page(card("a", "1"), card("b", "0")), page(card("a", "2"), card("b", "0", "gone"))
    html = old.html
    for before, after in zip(old.parts, new.parts, strict=True):
        for was, piece in zip(before.parts, after.parts, strict=True):
            html = html.replace(was.html, piece.html) if piece in differing(old, new) else html
    assert html == new.html
