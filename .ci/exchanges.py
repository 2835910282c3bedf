#!/usr/bin/env python3
"""Holds recorded exchanges against AWS's own models of its services (botocore's), and their errors against answers
recorded from AWS itself, where those are at hand.

usage: exchanges.py FOLDER [CONFORMANCE]

Every request must be one that botocore would send too: the same method, address, headers and body. Every answer must be
one of the operation's: its status, its members and their types, or one of its errors in that error's form.
"""
import base64, collections, glob, json, os, re, sys, urllib.parse
import botocore.parsers, botocore.serialize, botocore.session, botocore.validate

SERVICES = {'lambda': 'lambda', 'states': 'stepfunctions', 'gateway': 'apigatewayv2', 'sts': 'sts'}
# Errors that every operation has, with their statuses: each service's page "Common Errors".
COMMON = {'ThrottlingException': {400, 429}, 'Throttling': {400}, 'InternalFailure': {500}, 'ServiceUnavailable': {503}, 'ValidationException': {400},
          'AccessDeniedException': {400, 403}, 'UnknownOperationException': {400, 404}}

# What is known to differ: in which files, what, and why. A line that matches nothing is a failure too, so the list stays true.
KNOWN = [
    ('', r"LastUpdateStatusReasonCode is 'Creating'", 'AWS says Creating while it updates, and its model does not list it'),
    ('^platform', 'StateMachineDoesNotExist is no error of ListStateMachineVersions',
     'AWS documents no error for a state machine that does not exist; the target takes this one, InvalidArn and an empty list alike'),
    ('^moto', 'answer: the status is 20', 'moto answers 200 where AWS answers 201, and the reverse; no SDK minds'),
    ('^moto', 'answer: ResourceNotFoundException', 'moto says message for Message, without Type; SDKs read the code from its header'),
    ('^moto/probe', 'StateMachineDoesNotExist is no error of', 'moto says so of an alias; the target takes it and ResourceNotFound alike'),
    ('^moto/probe', 'an error without a code', 'moto answers with a page of HTML where it lacks an operation'),
]


def parse(text):
    """The exchanges of a file: [(request, answer)], each {'head', 'header', 'body'}."""
    out, part = [], None
    for line in text.splitlines():
        mark, _, head = line.partition(' ')
        if mark not in ('<', '>') or not head:
            part['body'] += line + '\n'
        elif not part['body'] and re.match(r'[\w-]+: ', head) if part else False:
            name, _, v = head.partition(': ')
            part['header'][name] = v
        else:
            part = {'head': head, 'header': {}, 'body': ''}
            out.append([part]) if mark == '>' else out[-1].append(part)
    for pair in out:
        for p in pair: p['body'] = p['body'].strip()
    return out


class Models:
    def __init__(self):
        session = botocore.session.get_session()
        self.models = {k: session.get_service_model(v) for k, v in SERVICES.items()}
        self.paths = []
        for service in ('lambda', 'gateway'):
            for name in self.models[service].operation_names:
                op = self.models[service].operation_model(name)
                uri, _, fixed = op.http['requestUri'].partition('?')
                pattern = re.sub(r'\\\{(\w+)(\\\+)?\\\}', lambda m: f"(?P<{m[1]}>{'.+' if m[2] else '[^/]+'})", re.escape(uri))
                self.paths.append((op.http['method'], re.compile(pattern + '/?$'), dict(urllib.parse.parse_qsl(fixed)), service, op))
        self.paths.sort(key=lambda p: -len(p[2])) # what asks for more is tried first

    def find(self, q):
        """The service, the operation and the parameters of a request."""
        method, _, address = q['head'].partition(' ')
        path, _, query = address.partition('?')
        target = q['header'].get('X-Amz-Target')
        if target:
            prefix, name = target.split('.')
            model = self.models['states']
            if prefix != model.metadata['targetPrefix']: raise ValueError(f'{target} is no operation')
            op = model.operation_model(name)
            return 'states', op, self.value(op.input_shape, json.loads(q['body'] or '{}'))
        if path == '/':
            form = dict(urllib.parse.parse_qsl(q['body']))
            op = self.models['sts'].operation_model(form.pop('Action'))
            form.pop('Version')
            return 'sts', op, form
        for m, pattern, fixed, service, op in self.paths:
            found, asked = pattern.match(path), urllib.parse.parse_qs(query, keep_blank_values=True)
            if m != method or not found or any(asked.pop(k, None) != [v] for k, v in fixed.items()): continue
            payload = op.input_shape.serialization.get('payload') if op.input_shape else None
            params, body = {}, json.loads(q['body']) if q['body'] and not payload else {}
            if payload and q['body']: params[payload] = q['body'].encode()
            for name, shape in (op.input_shape.members if op.input_shape else {}).items():
                at = shape.serialization.get('location')
                wire = shape.serialization.get('name', name)
                if at == 'uri': params[name] = urllib.parse.unquote(found[wire])
                elif at == 'querystring' and wire in asked: params[name] = self.scalar(shape, asked.pop(wire)[0])
                elif at == 'header' and wire in q['header']: params[name] = q['header'][wire]
                elif at is None and wire in body: params[name] = self.value(shape, body.pop(wire))
            if asked or body: raise ValueError(f'{op.name} has no {", ".join(list(asked) + list(body))}')
            return service, op, params
        raise ValueError(f'{q["head"]} is no operation')

    def scalar(self, shape, text):
        return {'integer': int, 'long': int, 'boolean': lambda t: t == 'true'}.get(shape.type_name, str)(text)

    def value(self, shape, v, where=''):
        """A value on the wire as a parameter; fails where the model has no such member or another type."""
        kind = shape.type_name if shape else 'structure'
        wrong = lambda: TypeError(f'{where or "the body"} is {v!r:.60}, and {kind} in the model')
        if kind == 'structure':
            if not isinstance(v, dict): raise wrong()
            names = {m.serialization.get('name', n): (n, m) for n, m in (shape.members if shape else {}).items()}
            extra = set(v) - set(names)
            if extra: raise ValueError(f'{where or "the body"} has {", ".join(sorted(extra))}, which the model has not')
            missing = {n for w, (n, _) in names.items() if w not in v or v[w] is None} & set(shape.required_members if shape else ())
            missing -= {n for n, m in (shape.members if shape else {}).items() if m.serialization.get('location')}
            if missing: raise ValueError(f'{where or "the body"} lacks {", ".join(sorted(missing))}')
            return {names[k][0]: self.value(names[k][1], x, f'{where}.{k}') for k, x in v.items() if x is not None}
        if kind == 'list':
            if not isinstance(v, list): raise wrong()
            return [self.value(shape.member, x, f'{where}[{i}]') for i, x in enumerate(v)]
        if kind == 'map':
            if not isinstance(v, dict): raise wrong()
            return {k: self.value(shape.value, x, f'{where}.{k}') for k, x in v.items()}
        if kind == 'blob': return base64.b64decode(v, validate=True)
        if kind == 'timestamp':
            iso = shape.serialization.get('timestampFormat') == 'iso8601'
            if isinstance(v, str) != iso: raise wrong()
            return v
        if kind in ('integer', 'long'):
            if isinstance(v, bool) or not isinstance(v, int): raise wrong()
        elif kind in ('float', 'double'):
            if isinstance(v, bool) or not isinstance(v, (int, float)): raise wrong()
        elif kind == 'boolean':
            if not isinstance(v, bool): raise wrong()
        elif not isinstance(v, str): raise wrong()
        elif getattr(shape, 'enum', None) and v not in shape.enum: raise ValueError(f'{where} is {v!r}, which the model does not list')
        return v


def request(models, q):
    """What is wrong with a request; and its operation."""
    try: service, op, params = models.find(q)
    except (ValueError, TypeError, KeyError) as e: return None, None, [f'{e}']
    wrong = []
    report = botocore.validate.ParamValidator().validate(params, op.input_shape) if op.input_shape else None
    if report and report.has_errors(): wrong.append(report.generate_report())
    if wrong: return service, op, wrong
    want = botocore.serialize.create_serializer(models.models[service].metadata['protocol'], include_validation=False).serialize_to_request(params, op)
    address = want['url_path'].split('?')[0]
    asked = q['head'].partition(' ')[2]
    path, _, query = asked.partition('?')
    as_text = lambda v: str(v).lower() if isinstance(v, bool) else str(v)
    expect = {k: as_text(v) for k, v in dict(want['query_string'] or {}).items()}
    if want['method'] + ' ' + address != q['head'].partition('?')[0] and urllib.parse.unquote(address) != urllib.parse.unquote(path): wrong.append(f'botocore would ask {want["method"]} {address}')
    expect.update(urllib.parse.parse_qsl(want['url_path'].partition('?')[2]))
    if dict(urllib.parse.parse_qsl(query, keep_blank_values=True)) != expect: wrong.append(f'botocore would ask with {expect}')
    body = want['body']
    if isinstance(body, dict): same = dict(urllib.parse.parse_qsl(q['body'])) == body
    else:
        text = body.decode() if isinstance(body, bytes) else body
        same = (json.loads(q['body']) if q['body'] else None) == (json.loads(text) if text else None)
        same = same or not q['body'] and text in ('', '{}') or not text and q['body'] == '{}'
    if not same: wrong.append(f'botocore would send {body!r:.300}')
    kind = want['headers'].get('Content-Type')
    if kind and q['body'] and q['header'].get('Content-Type', '').split(';')[0] != kind.split(';')[0]: wrong.append(f"botocore would send it as {kind}")
    return service, op, wrong


def code_of(a):
    code = a['header'].get('X-Amzn-Errortype', '')
    if not code and a['body'].startswith('{'): code = json.loads(a['body']).get('__type', '')
    if not code: code = ''.join(re.findall(r'<Code>(\w+)</Code>', a['body'])[:1])
    return code.split(':')[0].split('#')[-1]


def answer(models, service, op, a):
    """What is wrong with an answer, and the error's code or None."""
    if a['head'].startswith('lost '): return [], None
    status, protocol = int(a['head']), models.models[service].metadata['protocol']
    parser = botocore.parsers.create_parser(protocol)
    headers = {k.lower(): v for k, v in a['header'].items()}
    if status < 300:
        wrong, out = [], op.output_shape
        free = out and any(m.serialization.get('location') == 'statusCode' for m in out.members.values())
        if status != op.http.get('responseCode', 200) and not free: wrong.append(f"the status is {status}, and {op.http.get('responseCode', 200)} in the model")
        if protocol != 'query' and not (out and out.serialization.get('payload')):
            try: models.value(op.output_shape, json.loads(a['body'] or '{}'))
            except (ValueError, TypeError) as e: wrong.append(str(e))
        try: parser.parse({'status_code': status, 'headers': headers, 'body': a['body'].encode()}, op.output_shape)
        except Exception as e: wrong.append(f'botocore cannot read it: {e}')
        return wrong, None
    code, wrong = code_of(a), []
    if not code: return ['an error without a code'], '?'
    parsed = parser.parse({'status_code': status, 'headers': headers, 'body': a['body'].encode()}, op.output_shape)
    if parsed['Error'].get('Code') != code: wrong.append(f"botocore reads code {parsed['Error'].get('Code')}, and not {code}")
    if protocol == 'rest-json' and 'X-Amzn-Errortype' not in a['header']: wrong.append('an error without x-amzn-errortype')
    if protocol == 'json' and '__type' not in json.loads(a['body']): wrong.append('an error without __type')
    shapes = {s.error_code or s.name: s for s in op.error_shapes}
    if code in shapes:
        s = shapes[code]
        want = s.metadata.get('error', {}).get('httpStatusCode', 400 if protocol == 'json' else None)
        if want and status != want: wrong.append(f'{code} has status {status}, and {want} in the model')
        body = json.loads(a['body'])
        body.pop('__type', None)
        try: models.value(s, body)
        except (ValueError, TypeError) as e: wrong.append(f'{code}: {e}')
    elif code not in COMMON: wrong.append(f'{code} is no error of {op.name}')
    elif status not in COMMON[code]: wrong.append(f'{code} has status {status}')
    return wrong, code


def plain(message):
    """A message without what names resources."""
    m = re.sub(r'\([^)]*\)|arn:[^ \'"\],]+|[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}|<[^>]+>', '', message or '')
    return re.sub(r'[^A-Za-z]+', '', re.sub(r'\bteal-[\w-]+', '', m))


def real_errors(folder):
    """The forms of errors that AWS gave: by service and code, sets of (status, members, Type), and the messages."""
    forms, says = collections.defaultdict(set), collections.defaultdict(set)
    for f in glob.glob(os.path.join(folder, '*-api', '*.json')):
        case = json.load(open(f))
        steps = {s['step']: s for s in case['steps']}
        for x in case['expect']:
            s, w = steps.get(x['step']), x['response']
            if not s or not isinstance(w, dict) or 'Error' not in w: continue
            key = s['service'], w['Error'].get('Code')
            members = frozenset(k for k in w if k not in ('Error', 'ResponseMetadata'))
            forms[key].add((w.get('ResponseMetadata', {}).get('HTTPStatusCode'), members, w.get('Type')))
            says[key].add(plain(w['Error'].get('Message')))
    return forms, says


def main():
    models, folder = Models(), sys.argv[1]
    forms, says = real_errors(sys.argv[2]) if len(sys.argv) > 2 and os.path.isdir(sys.argv[2]) else ({}, {})
    n, bad, used = collections.Counter(), [], set()
    def tell(file, q, what):
        for i, (where, like, why) in enumerate(KNOWN):
            if re.search(where, file) and re.search(like, what):
                used.add(i); n['known'] += 1
                return
        bad.append(f'{file}: {q["head"]} {q["header"].get("X-Amz-Target", "")}: {what}')
    for path in sorted(glob.glob(os.path.join(folder, '*', '*.http'))):
        file = os.path.relpath(path, folder)
        for q, a in parse(open(path).read()):
            n['exchanges'] += 1
            service, op, wrong = request(models, q)
            for w in wrong: tell(file, q, 'request: ' + w)
            if op is None: continue
            n[f'{service}.{op.name}'] += 1
            wrong, code = answer(models, service, op, a)
            for w in wrong: tell(file, q, 'answer: ' + w)
            if code is None: continue
            n['errors'] += 1
            real = forms.get((SERVICES[service], code))
            if not real: continue
            body = {k: v for k, v in json.loads(a['body']).items() if k != '__type'}
            n['errors compared with AWS'] += 1
            form = int(a['head']), frozenset(body), body.get('Type')
            if form not in real: tell(file, q, f'answer: {code} has {form}, and from AWS {sorted(real, key=str)}')
            if plain(body.get('message', body.get('Message'))) in says[SERVICES[service], code]: n['worded'] += 1
            else: print(f"  not seen from AWS: {op.name}: {code}: {body.get('message', body.get('Message'))!r:.150}")
    for i, (where, like, why) in enumerate(KNOWN):
        if i not in used: bad.append(f'KNOWN has {like!r} in {where!r}, which does not happen any more')
    if not n['exchanges']: bad.append(f'no exchanges below {folder}')
    for b in bad: print('✖ ' + b)
    operations = sum(1 for k in n if '.' in k)
    print(f"{n['exchanges']} exchanges of {operations} operations: {len(bad)} differ from AWS's models, {n['known']} in a known way; "
          f"of {n['errors']} errors {n['errors compared with AWS']} were compared with AWS's own, {n['worded']} in AWS's words")
    sys.exit(bool(bad))


if __name__ == '__main__': main()
