/* The HTTP client's library, for those who import it when they need it: by a name, which every bundler hands on alike. */
export { default as fetch } from 'node-fetch';
