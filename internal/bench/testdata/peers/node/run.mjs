// Runs workflows on aws-local-stepfunctions, in memory, for the benchmark that compares Teal with it. It reads
// "CASE WORKERS MILLISECONDS" lines and answers each with a line of JSON.
import { createInterface } from "node:readline";
import { StateMachine } from "aws-local-stepfunctions";

const pass = { Type: "Pass", End: true };
const machines = {
  three: { StartAt: "A", States: { A: { Type: "Pass", Next: "B" }, B: { Type: "Pass", Next: "C" }, C: pass } },
  map: { StartAt: "M", States: { M: { Type: "Map", ItemsPath: "$.items", ItemProcessor: { StartAt: "A", States: { A: pass } }, End: true } } },
  wait: { StartAt: "W", States: { W: { Type: "Wait", Seconds: 1, End: true } } },
};
const input = { order: 12345, items: [0, 1, 2, 3, 4, 5, 6, 7, 8, 9] };

for await (const line of createInterface({ input: process.stdin })) {
  const [name, workers, ms] = line.split(" ");
  const machine = new StateMachine(machines[name]);
  const took = [];
  const cpu = process.cpuUsage();
  const began = performance.now();
  const worker = async () => {
    for (let at = began; at - began < Number(ms); ) {
      await machine.run(input).result;
      const now = performance.now();
      took.push((now - at) * 1000);
      at = now;
    }
  };
  await Promise.all(Array.from({ length: Number(workers) }, worker));
  const elapsed = (performance.now() - began) / 1000;
  const { user, system } = process.cpuUsage(cpu);
  took.sort((a, b) => a - b);
  console.log(JSON.stringify({ rate: took.length / elapsed, p50: took[took.length >> 1], cpu: (user + system) / took.length }));
}
