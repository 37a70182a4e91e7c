// Sets the password of whoever was sent this page's address. The token stands behind the #, which no
// browser sends to a server or to another page.
"use strict";

const form = document.querySelector("form");
const say = (text) => { document.querySelector("[role=status]").textContent = text; };

form.addEventListener("submit", async (event) => {
  event.preventDefault();
  const password = form.elements.password.value;
  if (password !== form.elements.again.value) {
    say("The two are not the same.");
    return;
  }
  const button = form.querySelector("button");
  button.disabled = true;
  say("");
  try {
    const answer = await fetch("/api/v1/auth/password", {
      method: "POST",
      headers: { "Content-Type": "application/json" },
      body: JSON.stringify({ token: location.hash.slice(1), new_password: password }),
    });
    if (answer.ok) {
      form.hidden = true;
      history.replaceState(null, "", location.pathname);
      say("Your password is set. You can log in with it now.");
      return;
    }
    say((await answer.json()).detail);
  } catch {
    say("The server cannot be reached; try again.");
  }
  button.disabled = false;
});
