#!/usr/bin/env python3
"""Gives recorded Lambda calls back what their recording lost, so that they can be made at all.

usage: mend.py RECORDED_DIR MENDED_DIR

What AWS answered stays as it was recorded, but for placeholders of regions, which get the region that was mended into
the call. Each loss is a line of the table below.
"""
import glob, json, os, re, sys

HERE, ELSEWHERE = 'us-east-1', 'us-west-2'
ZIP = '<<zip-of:mended>>'  # the runner puts a package in its place
ABSENT = f'arn:aws:lambda:{HERE}:111111111111:code-signing-config:csc-00000000000000000'


def value(o):
    """A value of any call."""
    if isinstance(o, dict):
        # A member in lower case is the recording tool's own; the client refuses it before anything is sent.
        o = {k: v for k, v in o.items() if not (k[0].islower() and k.capitalize() in o)}
        # A pager's options are no member of the call.
        return {k: value(v) for k, v in o.items() if k not in ('PaginationConfig', '__paginator__')}
    if isinstance(o, list): return [value(v) for v in o]
    if not isinstance(o, str): return o
    # The region was an object of the recording tool.
    o = re.sub(r'arn:aws-cn:lambda:<MagicMock[^>]*>', f'arn:aws:lambda:{HERE}', o)
    # An ARN that was cut and lengthened, to name nothing.
    if re.fullmatch(r'\{\{s\d+\.[\w.]*CodeSigningConfigArn\}x', o): return ABSENT
    # Bytes of which only the kind, or the number, was kept.
    if o == '<function>': return ZIP
    m = re.fullmatch(r'<bytes (\d+)>', o)
    return 'x' * int(m[1]) if m else o


def region(o, *names):
    """An expected answer with the names of regions in place of their placeholders, in turn."""
    text = json.dumps(o)
    for n in names: text = re.sub(r"(')<(wrong-)?region>(')", rf'\g<1>{n}\g<3>', text, count=1)
    return json.loads(text)


def mend(name, case):
    steps = {s['step']: s for s in case['steps']}
    args = {k: s['args'] for k, s in steps.items()}
    expect = {e['step']: e for e in case['expect']}
    for s in case['steps']:
        s['args'] = args[s['step']] = value(s['args'])
        # The tests' own way to make a function always passed an environment, and the answers show it.
        if s['op'] == 'create_function' and str(s['args']['Code'].get('ZipFile')).startswith('<<zip-of:'):
            s['args'].setdefault('Environment', {'Variables': {}})
    if '_wrong_region_' in name:  # the ARN came from a client of another region
        args['s2']['FunctionName'] = args['s2']['FunctionName'].replace(HERE, ELSEWHERE)
        expect['s2']['response'] = region(region(expect['s2']['response'], ELSEWHERE), HERE)
    if name.endswith('_function_arns'):
        expect['s6']['response'] = region(expect['s6']['response'], HERE)
    if name.endswith('_eventinvokeconfig_exceptions'):  # each ARN had its service replaced
        args['s13']['DestinationConfig']['OnSuccess']['Destination'] = f'arn:aws:iam:{HERE}:111111111111:function:mended'
        args['s16']['DestinationConfig']['OnFailure']['Destination'] = f'arn:aws:_-/!lambda:{HERE}:111111111111:function:mended'
    if name.endswith('_layer_function_exceptions'):
        args['s9']['Layers'] = [f'arn:aws:lambda:{HERE}:111111111111:layer:doesnotexist:1']
        args['s13'].pop('layers')  # the layer was another region's
        args['s13'].update(FunctionName='fn-layer-mended', Layers=[f'arn:aws:lambda:{ELSEWHERE}:111111111111:layer:mended:1'])
        expect['s13']['response'] = json.loads(json.dumps(expect['s13']['response']).replace('<region>', HERE))
    # Numbers that were reckoned from the account's limits: above all that is unreserved, and into the 100 that stay so.
    for test, member in (('provisioned_concurrency_limits', 'ProvisionedConcurrentExecutions'), ('function_concurrency_limits', 'ReservedConcurrentExecutions')):
        if name.endswith(test):
            above, into = [s['args'] for s in case['steps'] if member in s['args']]
            above[member], into[member] = 100_000, 920
    if name.endswith('_oversized_zipped_create_lambda'): args['s1']['Code']['ZipFile'] = 'x' * (50 * 1024 * 1024 + 1)
    return case


def main():
    recorded, mended = sys.argv[1:]
    os.makedirs(mended, exist_ok=True)
    for f in glob.glob(os.path.join(recorded, '*.json')):
        name = os.path.basename(f)
        with open(f) as r, open(os.path.join(mended, name), 'w') as w: json.dump(mend(name[:-5], json.load(r)), w)


if __name__ == '__main__': main()
