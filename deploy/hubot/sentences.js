// What hubot says when there is no image: a sentence for each outcome of grafana-images, for each
// word of the web server before it, and for what only this end of the connection can know.
//
// SPDX-License-Identifier: Apache-2.0
'use strict';

const TOKEN = 'HUBOT_GRAFANA_API_KEY, or `graf set api_key` where rooms have their own';
const LATER = 'Please ask again in a minute.';
const LOG = 'Its log says why.';

const SENTENCES = {
  // Grafana or its token
  'no-token': `hubot has no Grafana token (${TOKEN}).`,
  'token-refused': `Grafana did not accept hubot's token. It needs a valid one (${TOKEN}).`,
  'bad-token': `hubot's Grafana token has characters that no token has, perhaps a line end (${TOKEN}).`,
  forbidden: "Grafana does not show this panel to hubot's token. Somebody has to give it the right to.",
  'not-found': 'Grafana does not find this panel.',
  'no-renderer': 'Grafana has no image renderer. Its administrator has to install grafana-image-renderer.',
  'grafana-busy': `Grafana is rendering as much as it can. ${LATER}`,
  upstream: `Grafana did not answer grafana-images as it should. ${LOG}`,
  'not-a-png': `Grafana sent something that is no image. ${LOG}`,
  'too-big': 'The image is larger than grafana-images takes. Please ask for a smaller width and height.',
  slow: 'Grafana took too long to render this panel. Please ask for less time, or later.',

  // grafana-images
  method: 'grafana-images does not understand hubot: is there another service at HUBOT_GRAFANA_IMAGES_HOST?',
  malformed: 'grafana-images does not take this for the address of a panel.',
  'too-large': 'The request is too large. Please ask with fewer variables.',
  'not-allowed': 'grafana-images may not save panels of this Grafana (`grafana` in its settings).',
  busy: `grafana-images has too much to do. ${LATER}`,
  stopping: `grafana-images is being restarted. ${LATER}`,
  'store-full': 'grafana-images has no room left for images. Its administrator has to make some.',
  'store-failed': `grafana-images cannot save images. ${LOG}`,
  internal: `grafana-images has failed. ${LOG}`,

  // the web server before it
  'refused-here': 'The web server does not let hubot ask grafana-images.',
  rate: `The web server says that hubot asks too often. ${LATER}`,
  down: 'grafana-images is not running. Its administrator has to start it.',
  'not-here': 'There is no grafana-images at this address. Is HUBOT_GRAFANA_IMAGES_HOST right?',
  redirect: 'The web server sends hubot elsewhere. Is HUBOT_GRAFANA_IMAGES_HOST right, and with https://?',

  // this end
  unreachable: 'grafana-images cannot be reached. Is it running, and is HUBOT_GRAFANA_IMAGES_HOST right?',
  late: `grafana-images did not answer in time. ${LATER}`,
  'not-json': 'Something that is not grafana-images answered. Is HUBOT_GRAFANA_IMAGES_HOST right?',
  'no-address': 'grafana-images answered without a usable address of an image.',
  unknown: 'grafana-images gave an answer that hubot does not know.',
};

// Answers without such a word are the web server's.
const STATUS = { 401: 'refused-here', 403: 'refused-here', 404: 'not-here', 405: 'method', 413: 'too-large',
  429: 'rate', 502: 'down', 503: 'down', 504: 'late' };

exports.sentence = (outcome) => SENTENCES[outcome];

exports.outcomeOf = (status, word) => {
  if (Object.hasOwn(SENTENCES, word ?? '')) return word;
  return STATUS[status] ?? (status >= 300 && status < 400 ? 'redirect' : 'unknown');
};
