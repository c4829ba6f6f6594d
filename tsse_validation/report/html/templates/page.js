"use strict";
// What both scripts of a page build upon.
const make = (tag, text, className) => {
  const element = document.createElement(tag);
  if (text !== undefined) element.textContent = text;
  if (className) element.className = className;
  return element;
};
const number = (value) => value.toLocaleString("en-US");
