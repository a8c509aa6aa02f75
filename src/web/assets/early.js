/// What can begin before the rest of the page is here: showing the link's token, and calling the server.

import {Connection, log_in, token_of} from './net.js';

export const net = new Connection();

/// Shows a token and calls the server; without one the cookie of another time may be enough. What log_in() says.
export async function enter(token) {
  const said = token ? await log_in(token) : 'in';
  if (said === 'in') net.connect();
  return said;
}

/// The token of the page's address, which it is taken away from.
export function take_token() {
  const token = token_of(location.hash);
  if (location.hash) history.replaceState(null, '', location.pathname + location.search);
  return token;
}

export const entered = enter(take_token());
