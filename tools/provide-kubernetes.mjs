// Obtains what the checks of the Helm chart need: Helm, kubeconform, kube-score and the schemas, and with `--cluster`
// an API server, its controllers, kwok and etcd as well. What is here already is not made again.
import { findChartTools, findClusterTools } from './setup/find-kubernetes.mjs';
import { obtainChartTools, obtainClusterTools } from './setup/obtain-kubernetes.mjs';
import { SetupRefused } from './setup/run-step.mjs';

const wantsCluster = process.argv.includes('--cluster');
const find = () => (wantsCluster ? findClusterTools(process.env) : findChartTools(process.env));

try {
  if (find() === undefined) {
    process.stdout.write(`Kubernetes tools are obtained, which takes ${wantsCluster ? '15' : '5'} minutes or so\n`);
    if (wantsCluster) obtainClusterTools(process.env);
    else obtainChartTools(process.env);
  }
  const found = find();
  if (found === undefined) throw new SetupRefused('something was built, and something is still missing');
  for (const [name, path] of Object.entries(found.programs)) process.stdout.write(`${name} ${path}\n`);
  process.stdout.write(`schemas ${found.schemas}\n`);
} catch (error) {
  if (!(error instanceof SetupRefused)) throw error;
  process.stderr.write(`${error.message}\n`);
  process.exitCode = 1;
}
