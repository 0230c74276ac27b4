// The welcome page's counter: sign in, fill a cart, order. The page is useful without it.
"use strict";

const byId = (id) => document.getElementById(id);
const money = ({ amount_minor, currency }) => `${(amount_minor / 100).toFixed(2)} ${currency}`;

function element(name, text, extra = {}) {
  return Object.assign(document.createElement(name), { textContent: text }, extra);
}

async function call(method, path, body, headers = {}) {
  const options = { method, headers: { Accept: "application/json", ...headers } };
  if (body) {
    options.headers["Content-Type"] = "application/json";
    options.body = JSON.stringify(body);
  }
  const answer = await fetch(path, options);
  const document_ = await answer.json().catch(() => ({}));
  const said = `${method} ${path} → ${answer.status} ${document_.error ?? ""}`;
  byId("log").prepend(element("li", said, { className: answer.ok ? "" : "bad" }));
  return answer.ok ? document_ : null;
}

function showCart(cart) {
  const count = cart.items.reduce((sum, item) => sum + item.quantity, 0);
  byId("cart").value = count ? `${count} in the cart, ${money(cart.total)}` : "The cart is empty.";
}

async function refreshCart() {
  const cart = await call("GET", "/api/v1/cart");
  if (cart) showCart(cart);
}

async function signIn(event) {
  event.preventDefault();
  const user = await call("POST", "/auth", Object.fromEntries(new FormData(event.target)));
  const me = user && (await call("GET", "/api/v1/auth/me"));
  byId("who").value = me ? `Signed in as ${me.username}` : "Not signed in";
  if (me) await refreshCart();
}

async function addToCart(product) {
  const path = `/api/v1/cart/items/${product.id}`;
  if (await call("PUT", path, { quantity: 1 })) await refreshCart();
}

async function order(card) {
  const address = { name: "A. Guest", line1: "1 Cauldron Lane", city: "Ghent", postal_code: "9000", country: "BE" };
  const body = { payment: { token: card }, shipping_address: address };
  await call("POST", "/api/v1/orders", body, { "Idempotency-Key": crypto.randomUUID() });
  await refreshCart();
}

function shelve(product) {
  const item = element("li", "");
  const button = element("button", `Add for ${money(product.price)}`, { type: "button" });
  button.addEventListener("click", () => addToCart(product));
  item.append(element("strong", product.title), element("p", product.description), button);
  byId("shelf").append(item);
}

async function open() {
  byId("counter").hidden = false;
  byId("sign-in").addEventListener("submit", signIn);
  for (const button of document.querySelectorAll("[data-card]")) {
    button.addEventListener("click", () => order(button.dataset.card));
  }
  const products = await call("GET", "/api/v1/products?limit=6");
  for (const product of products?.data ?? []) shelve(product);
}

open();
