// Renew the list twice a second, so that a change of a breaker is seen as it happens.
const list = document.getElementById("services");

async function renew() {
  try {
    const answer = await fetch("/status", { headers: { Accept: "text/html" } });
    const page = new DOMParser().parseFromString(await answer.text(), "text/html");
    const renewed = page.getElementById("services");
    if (renewed && renewed.innerHTML !== list.innerHTML) list.replaceChildren(...renewed.children);
    list.classList.remove("lost");
  } catch {
    list.classList.add("lost");
  }
}

setInterval(() => document.hidden || renew(), 500);
