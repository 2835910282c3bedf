let late = 'not yet';
// what a callback has given is the answer once the event loop is empty, or at once
exports.waits = (event, context, callback) => {
  setTimeout(() => { late = 'done'; }, 20);
  callback(null, { get late() { return late; } });
};
exports.hurries = (event, context, callback) => {
  context.callbackWaitsForEmptyEventLoop = false;
  setTimeout(() => {}, 60_000);
  callback(null, 'at once');
};
